/** How the page is read and used. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export const help = signal(false);

const KEYS: [string, string][] = [
  ["/", "search"],
  ["m", "go to the map"],
  ["← → ↑ ↓", "on the map: from unit to unit, layer to layer; with Shift ten at once"],
  ["n, Shift+n", "on the map: the next weaker unit, the next stronger one; of units that are as strong, in order"],
  ["+ − 0", "on the map: zoom, show all"],
  ["Shift + drag", "on the map: draw a lasso around units"],
  ["Esc", "nothing is selected"],
  ["?", "this help"],
];

const WORDS: [string, string][] = [
  ["unit", "one neuron, attention head or dimension of a layer"],
  ["circuit", "the units with the highest attribution to a task"],
  ["attribution", "what a unit carries of the difference between the right answer and the wrong one"],
  ["localizer", "finds units that respond to one kind of text more than to another"],
  ["network", "units that are active together over texts"],
  ["control", "an untrained model, or as many random units: what one would find where there is nothing"],
];

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (help.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [help.value]);
  return (
    <dialog ref={dialog} aria-label="Help" onClose={() => (help.value = false)}>
      <h2>How to use the atlas</h2>
      <p>
        Every cell of the map is a unit of the model: layers lie above each other, from the input (below) to the output. Choose what colours it above; choose a task, a
        domain, a layer, a network or units in any view, and all views show it. The address holds what you see: a copied link brings it back.
      </p>
      <dl>
        {KEYS.map(([key, does]) => (
          <>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </>
        ))}
      </dl>
      <h3>Words</h3>
      <dl>
        {WORDS.map(([word, means]) => (
          <>
            <dt>{word}</dt>
            <dd>{means}</dd>
          </>
        ))}
      </dl>
      <button type="button" onClick={() => (help.value = false)}>
        Close
      </button>
    </dialog>
  );
}
