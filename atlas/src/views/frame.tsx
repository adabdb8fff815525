/** What every view has around its picture: choices, a caption, the picture to take away, its data as a table. */
import type { ComponentChildren, RefObject } from "preact";
import { useId, useState } from "preact/hooks";
import type { Loaded } from "../data";
import { csv, type Cell } from "../export";
import { number } from "../format";
import { TakeAway } from "../take-away";

export interface Table {
  columns: string[];
  /** Made when it is wanted. */
  rows: () => Cell[][];
  /** What a click on the first cell of a row does. */
  select?: (row: number) => void;
}

interface Props {
  /** What is seen, with n, interval and control. */
  caption: ComponentChildren;
  choices?: ComponentChildren;
  children: ComponentChildren;
  /** File name: says model and view. */
  file: string;
  picture?: RefObject<SVGSVGElement | HTMLElement | null>;
  table: Table;
}

export function Frame({ caption, choices, children, file, picture, table }: Props) {
  return (
    <div class="view">
      {choices && <div class="view-choices">{choices}</div>}
      {children}
      <p class="view-caption">{caption}</p>
      <div class="view-foot">
        <AsTable {...table} />
        <TakeAway name={file} picture={picture} csv={() => csv(table.columns, table.rows())} />
      </div>
    </div>
  );
}

function AsTable({ columns, rows, select }: Table) {
  const [open, setOpen] = useState(false);
  return (
    <details class="view-table" onToggle={(event) => setOpen((event.currentTarget as HTMLDetailsElement).open)}>
      <summary>Table</summary>
      {open && (
        <div class="view-scroll" tabIndex={0} role="group" aria-label="Table, scrolls">
          <table>
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows().map((row, i) => (
                <tr key={i}>
                  {row.map((cell, j) =>
                    j === 0 ? (
                      <th key={j} scope="row">
                        {select ? (
                          <button type="button" onClick={() => select(i)}>
                            {shown(cell)}
                          </button>
                        ) : (
                          shown(cell)
                        )}
                      </th>
                    ) : (
                      <td key={j}>{shown(cell)}</td>
                    ),
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

const shown = (cell: Cell): string => {
  if (typeof cell === "number") return Number.isInteger(cell) && Math.abs(cell) < 1e6 ? String(cell) : number(cell);
  return cell === null || cell === undefined ? "–" : String(cell);
};

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly (readonly [value: string, label: string, group?: string])[];
  choose: (value: string) => void;
}

/** A list to choose from; nothing where there is no choice. */
export function Choice({ label, value, options, choose }: ChoiceProps) {
  const id = useId();
  if (options.length < 2) return null;
  const groups = [...new Set(options.map((option) => option[2] ?? ""))];
  const items = (group: string) =>
    options
      .filter((option) => (option[2] ?? "") === group)
      .map(([name, text]) => (
        <option key={name} value={name} selected={name === value}>
          {text}
        </option>
      ));
  return (
    <span class="view-choice">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => choose((event.currentTarget as HTMLSelectElement).value)}>
        {groups.map((group) =>
          group ? (
            <optgroup key={group} label={group}>
              {items(group)}
            </optgroup>
          ) : (
            items(group)
          ),
        )}
      </select>
    </span>
  );
}

/** While a file is on its way, or where there is none. */
export function Waiting({ loaded, absent }: { loaded: Loaded<unknown>; absent: string }) {
  if (loaded.state === "loading") return <p class="view-note">Reading …</p>;
  if (loaded.state === "failed") return <p class="view-note">{loaded.why}</p>;
  return <p class="view-note">{absent}</p>;
}

export const Note = ({ children }: { children: ComponentChildren }) => <p class="view-note">{children}</p>;

/** Diagonal lines over what is a control. */
export const Hatch = ({ id }: { id: string }) => (
  <pattern id={id} width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
    <line class="hatch" x1="0" y1="0" x2="0" y2="5" />
  </pattern>
);
