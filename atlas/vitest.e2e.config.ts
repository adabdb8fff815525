/** End-to-end tests: tests/atlas/test_page.py makes the atlases that they open and says where they are. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["e2e/**/*.e2e.ts"], testTimeout: 120_000, hookTimeout: 60_000, fileParallelism: false },
});
