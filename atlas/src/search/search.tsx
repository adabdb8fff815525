/** The search box: a combobox as screen readers know them. */
import { useComputed, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { UnitsFile } from "../contract";
import { fileOf, library, manifest } from "../data";
import { model, state, toggleTask } from "../state";
import { search, searched } from "./find";

export const searchId = "search";

export function Search() {
  const query = useSignal("");
  const active = useSignal(0);
  const open = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  const found = useComputed(() => {
    const own = model.value;
    const study = manifest.value;
    if (!own || !study || !query.value.trim()) return { hits: [], where: "" };
    // Tokens are looked for once someone searches: their file is larger than all that is shown first.
    const units = library().get<UnitsFile>(fileOf(own, "units")).value;
    const hits = search(query.value, study, own, state.component.value, units.state === "ready" ? units.value : undefined);
    return { hits, where: searched(own, units) };
  });
  const { hits, where } = found.value;
  const close = (): void => {
    open.value = false;
    active.value = 0;
  };
  const choose = (i: number, add: boolean): void => {
    const hit = hits[i];
    if (!hit) return;
    // With Shift a task joins those that are chosen.
    if (add && hit.task !== undefined) toggleTask(hit.task);
    else hit.go();
    query.value = "";
    close();
    input.current?.blur();
  };
  const onKey = (event: KeyboardEvent): void => {
    const n = hits.length;
    if (event.key === "ArrowDown" && n) active.value = (active.value + 1) % n;
    else if (event.key === "ArrowUp" && n) active.value = (active.value + n - 1) % n;
    else if (event.key === "Enter") choose(active.value, event.shiftKey);
    else if (event.key === "Escape") {
      query.value = "";
      close();
      input.current?.blur();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const shown = open.value && query.value.trim() !== "";
  return (
    <div class="search">
      <input
        ref={input}
        id={searchId}
        type="search"
        list={undefined}
        role="combobox"
        placeholder="Search: task, L21 N471, token …"
        aria-label="Search tasks, units, networks and tokens"
        aria-expanded={shown}
        aria-controls="hits"
        aria-describedby={shown ? "searched" : undefined}
        aria-autocomplete="list"
        aria-activedescendant={shown && hits.length ? `hit-${active.value}` : undefined}
        autocomplete="off"
        spellcheck={false}
        value={query.value}
        onInput={(event) => {
          query.value = event.currentTarget.value;
          active.value = 0;
          open.value = true;
        }}
        onFocus={() => (open.value = true)}
        onBlur={close}
        onKeyDown={onKey}
      />
      {shown && (
        <div class="found">
          <ul id="hits" role="listbox" aria-label="Found">
            {hits.map((hit, i) => (
              <li
                key={hit.id}
                id={`hit-${i}`}
                role="option"
                aria-selected={i === active.value}
                // Before the input loses its focus and the list closes.
                onPointerDown={(event) => {
                  event.preventDefault();
                  choose(i, event.shiftKey);
                }}
                onPointerMove={() => (active.value = i)}
              >
                <b>{hit.label}</b> <span class="soft">{hit.kind === "task" || hit.kind === "unit" || hit.kind === "token" ? hit.detail : `${hit.kind} · ${hit.detail}`}</span>
              </li>
            ))}
          </ul>
          {hits.length === 0 && <p>Nothing is called so. Units are named like L21 N471, heads L3 H7.</p>}
          <p id="searched" class="soft" role="status">{where}</p>
        </div>
      )}
    </div>
  );
}
