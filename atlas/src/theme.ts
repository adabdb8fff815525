/** Whether the page is dark: as the reader's system says, or as the reader chose here. */
import { computed, effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const wide = typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : undefined;
const system = signal(wide?.matches ?? false);
wide?.addEventListener("change", (event) => (system.value = event.matches));

export const theme = signal<Theme>("system");
export const dark = computed(() => (theme.value === "system" ? system.value : theme.value === "dark"));

export function followTheme(): void {
  effect(() => {
    document.documentElement.dataset.theme = dark.value ? "dark" : "light";
  });
}
