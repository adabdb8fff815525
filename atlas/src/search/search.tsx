/** The search box: a combobox as screen readers know them. */
import { useComputed, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { UnitsFile } from "../contract";
import { fileOf, library, manifest } from "../data";
import { model, state, toggleTask } from "../state";
import { search } from "./find";

export const searchId = "search";

export function Search() {
  const query = useSignal("");
  const active = useSignal(0);
  const open = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  const hits = useComputed(() => {
    const own = model.value;
    const study = manifest.value;
    if (!own || !study || !query.value.trim()) return [];
    // Tokens are looked for once someone searches: their file is larger than all that is shown first.
    const file = fileOf(own, "units");
    const units = file === undefined ? undefined : library().get<UnitsFile>(file).value;
    return search(query.value, study, own, state.component.value, units?.state === "ready" ? units.value : undefined);
  });
  const close = (): void => {
    open.value = false;
    active.value = 0;
  };
  const choose = (i: number, add: boolean): void => {
    const hit = hits.value[i];
    if (!hit) return;
    // With Shift a task joins those that are chosen.
    if (add && hit.task !== undefined) toggleTask(hit.task);
    else hit.go();
    query.value = "";
    close();
    input.current?.blur();
  };
  const onKey = (event: KeyboardEvent): void => {
    const n = hits.value.length;
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
        aria-autocomplete="list"
        aria-activedescendant={shown && hits.value.length ? `hit-${active.value}` : undefined}
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
        <ul id="hits" role="listbox" aria-label="Found">
          {hits.value.map((hit, i) => (
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
          {hits.value.length === 0 && <li class="soft">Nothing is called so. Units are named like L21 N471, heads L3 H7.</li>}
        </ul>
      )}
    </div>
  );
}
