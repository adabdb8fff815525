/** A matrix of tasks: cells that are pointed at, clicked and walked over with the arrow keys. */
import type { RefObject } from "preact";
import { useId, useState } from "preact/hooks";
import type { FloatGrid } from "../contract";
import { selectDomain, selectTasks, state } from "../state";
import { Hatch } from "./frame";
import { layout, moved, valueAt } from "./matrix";
import type { Axis, Names } from "./tasks";
import { hideTip, showTip, showTipAt } from "./tip";
import { fitted, textWidth } from "./use-width";

export interface ControlRow {
  label: string;
  /** Of every task on the axis. */
  value: (task: string, place: number) => number;
}

interface Props {
  picture: RefObject<SVGSVGElement | null>;
  width: number;
  axis: Axis;
  grid: FloatGrid;
  names: Names;
  /** What the picture is, in a sentence. */
  label: string;
  colour: (value: number) => string;
  /** Whether a task with itself is a value like any other. */
  diagonal: boolean;
  /** What a cell says; the rows are the sources where there is a direction. */
  says: (row: string, column: string, value: number) => string[];
  controls?: ControlRow[];
  /** Tasks whose circuits hold the chosen unit, or one of the lasso. */
  holding: ReadonlySet<string>;
  /** Bands are domains, which can be selected. */
  domains: boolean;
}

export function MatrixPicture(props: Props) {
  const { picture, width, axis, grid, names, colour, diagonal, says, controls = [] } = props;
  const [cursor, setCursor] = useState<[number, number] | undefined>(undefined);
  const hatch = useId();
  const longest = Math.max(0, ...axis.tasks.map((task) => textWidth(`${names.task(task)} ${names.markOfTask(task)}`)));
  const at = layout(width, axis.tasks.length, longest, controls.length);
  const { cell, left, top } = at;
  const count = axis.tasks.length;
  const pair = state.tasks.value;
  const domain = state.domain.value;
  const chosen = axis.tasks.map((task) => pair.includes(task));
  const lines = (row: number, column: number): string[] =>
    says(axis.tasks[row]!, axis.tasks[column]!, valueAt(grid, axis.indices[row]!, axis.indices[column]!));
  const select = (row: number, column: number): void => selectTasks(axis.tasks[row]!, axis.tasks[column]!);
  const said = cursor ? lines(...cursor).join(". ") : "";
  const height = Math.max(cell, 13);
  const room = left - 19;
  const named = (task: string): string => `${fitted(names.task(task), room - textWidth(" ●"))} ${names.markOfTask(task)}`;
  const square = (x: number, y: number, columns: number, rows: number) => ({
    x: left + x * cell,
    y: top + y * cell,
    width: columns * cell,
    height: rows * cell,
  });
  const outlines = [
    ...axis.bands
      .filter((band) => props.domains && domain === band.name)
      .map(({ from, to }) => square(from, from, to - from, to - from)),
    ...chosen.flatMap((own, place) => (own ? [square(0, place, count, 1), square(place, 0, 1, count)] : [])),
  ];

  return (
    <>
      <svg
        ref={picture}
        class="picture"
        width={width}
        height={at.height}
        viewBox={`0 0 ${width} ${at.height}`}
        role="application"
        aria-roledescription="matrix"
        aria-label={`${props.label} Arrow keys move between cells, Enter selects the pair.`}
        tabindex={0}
        onKeyDown={(event) => {
          const now = cursor ?? [0, 0];
          const next = cursor ? moved(now, event.key, count) : event.key.startsWith("Arrow") ? now : undefined;
          if (next) {
            setCursor(next);
            const mark = event.currentTarget.querySelector(".cursor") ?? event.currentTarget;
            showTipAt(mark, ...lines(...next));
          } else if (event.key === "Enter" || event.key === " ") {
            if (cursor) select(...cursor);
          } else return;
          event.preventDefault();
          event.stopPropagation();
        }}
        onBlur={() => {
          setCursor(undefined);
          hideTip();
        }}
        onPointerLeave={hideTip}
      >
        <defs>
          <Hatch id={hatch} />
        </defs>
        {axis.bands.map((band) => (
          <g
            key={band.name + band.from}
            class={props.domains ? "pick" : undefined}
            onClick={() => props.domains && selectDomain(domain === band.name ? undefined : band.name)}
            onPointerMove={(event) => showTip(event, band.label)}
          >
            <rect x={left - 11} y={top + band.from * cell} width={7} height={(band.to - band.from) * cell - 1} fill={band.colour} />
            {!at.named && (band.to - band.from) * cell > textWidth(`● ${band.label}`) && (
              <text x={left + band.from * cell} y={top - 16}>
                {`${names.mark(band.name)} ${band.label}`}
              </text>
            )}
            <rect x={left + band.from * cell} y={top - 11} width={(band.to - band.from) * cell - 1} height={7} fill={band.colour} />
          </g>
        ))}
        {at.named &&
          axis.tasks.map((task, place) => (
            <g key={task} class={`pick name ${chosen[place] ? "chosen" : ""}`} font-size={at.type} onClick={() => selectTasks(task)}>
              {props.holding.has(task) && <circle class="has" cx={left - 13.5} cy={top + (place + 0.5) * cell} r={2.4} />}
              <text x={left - 18} y={top + (place + 0.5) * cell} dy="0.34em" text-anchor="end">
                {named(task)}
              </text>
              <text transform={`translate(${left + (place + 0.5) * cell}, ${top - 15}) rotate(-90)`} dy="0.34em">
                {named(task)}
              </text>
            </g>
          ))}
        <g class="cells">
          {axis.indices.flatMap((row, i) =>
            axis.indices.map((column, j) => {
              const value = valueAt(grid, row, column);
              const itself = i === j && !diagonal;
              return (
                <rect
                  key={`${i}-${j}`}
                  class={itself ? "itself" : Number.isNaN(value) ? "none" : undefined}
                  x={left + j * cell}
                  y={top + i * cell}
                  width={cell - 0.6}
                  height={cell - 0.6}
                  fill={itself || Number.isNaN(value) ? undefined : colour(value)}
                  onPointerMove={(event) => showTip(event, ...lines(i, j))}
                  onClick={() => select(i, j)}
                />
              );
            }),
          )}
        </g>
        {outlines.map((box, i) => (
          <g key={i}>
            <rect class="outline halo" {...box} />
            <rect class="outline" {...box} />
          </g>
        ))}
        {controls.map((row, number) => {
          const y = at.controls + number * height;
          return (
            <g key={row.label} class="control">
              <text x={left - 15} y={y + height / 2} dy="0.34em" text-anchor="end">
                {fitted(row.label, room)}
              </text>
              {axis.tasks.map((task, place) => {
                const value = row.value(task, axis.indices[place]!);
                const none = Number.isNaN(value);
                const box = { x: left + place * cell, y, width: cell - 0.6, height: height - 1 };
                return (
                  <g key={task} onPointerMove={(event) => showTip(event, ...says(`${row.label} (control)`, task, value))}>
                    <rect {...box} class={none ? "none" : undefined} fill={none ? undefined : colour(value)} />
                    {!none && <rect {...box} fill={`url(#${hatch})`} />}
                  </g>
                );
              })}
            </g>
          );
        })}
        {cursor && (
          <rect class="cursor" x={left + cursor[1] * cell} y={top + cursor[0] * cell} width={cell} height={cell} />
        )}
      </svg>
      <div class="for-ears" aria-live="polite">
        {said}
      </div>
    </>
  );
}

/** The colours of a scale with the values at their ends. */
export function Legend({ from, to, middle, colour }: { from: string; to: string; middle?: string; colour: (share: number) => string }) {
  const steps = Array.from({ length: 24 }, (_, i) => colour((i + 0.5) / 24));
  return (
    <div class="view-legend">
      <span>{from}</span>
      <span class="ramp" style={{ background: `linear-gradient(90deg, ${steps.join(", ")})` }} />
      {middle && <span>{middle}</span>}
      <span>{to}</span>
    </div>
  );
}
