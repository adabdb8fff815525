/** Starts the atlas as soon as its manifest is there. */
import { render } from "preact";
import { App } from "./app";
import { library, manifest } from "./data";
import type { Manifest } from "./contract";
import { followKeys } from "./keys";
import { followAddress } from "./state";
import { followTheme } from "./theme";
import "./style.css";

const root = document.getElementById("app")!;

function say(text: string): void {
  const line = document.createElement("p");
  line.className = "alone";
  line.textContent = text;
  root.replaceChildren(line);
}

async function start(): Promise<void> {
  const state = library().get<Manifest>("manifest");
  const study = await library().load<Manifest>("manifest");
  const now = state.peek();
  if (!study) {
    say(now.state === "failed" ? `This atlas has no data: ${now.why}.` : "This atlas has no data.");
    return;
  }
  if (study.version !== 1) {
    say(`The data is of version ${String(study.version)}, this page reads version 1. Make both anew with \`brodmann atlas\`.`);
    return;
  }
  library().hold("manifest");
  manifest.value = study;
  document.title = `${study.title} · brodmann atlas`;
  followTheme();
  followAddress(study);
  followKeys();
  root.replaceChildren();
  render(<App />, root);
}

void start();
