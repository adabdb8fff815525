/** Keys of the whole page; those of the map are the map's own (cortex/canvas.tsx). */
import { help } from "./header/help";
import { searchId } from "./search/search";
import { clearSelection } from "./state";

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

export function followKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || typing(event.target)) return;
    if (event.key === "/") document.getElementById(searchId)?.focus();
    else if (event.key === "m") document.querySelector<HTMLElement>(".canvas canvas")?.focus();
    else if (event.key === "?") help.value = !help.value;
    else if (event.key === "Escape" && !help.value) clearSelection();
    else return;
    event.preventDefault();
  });
}
