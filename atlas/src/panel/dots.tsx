/** A unit's attribution in every task as a sorted dot plot: filled where the task's circuit holds the unit. */
import type { RefObject } from "preact";
import { scaleLinear } from "d3-scale";
import { count, number, selName, signed } from "../format";
import { domainColour, domainIndex } from "../names";
import { markOf } from "../palette";
import { selectTasks, state } from "../state";
import type { TaskRow } from "./rows";

const ROW = 17;
const NAMES = 172;
const RANKS = 52;
const WIDTH = 360;
const TOP = 20;

interface Props {
  rows: TaskRow[];
  /** Units of the component. */
  of: number;
  sel: string;
  name: string;
  picture: RefObject<SVGSVGElement | null>;
}

const short = (label: string): string => (label.length > 24 ? `${label.slice(0, 22)}…` : label);

export function Dots({ rows, of, sel, name, picture }: Props) {
  const most = Math.max(1e-9, ...rows.map((row) => row.score));
  const least = Math.min(0, ...rows.map((row) => row.score));
  const x = scaleLinear([least, most], [NAMES + 8, WIDTH - RANKS - 6]);
  const height = TOP + rows.length * ROW + 4;
  return (
    <svg ref={picture} class="dots" viewBox={`0 0 ${WIDTH} ${height}`} width={WIDTH} height={height} role="group" aria-label={`Attribution of ${name} in ${rows.length} tasks, largest first`}>
      <text class="soft" x={NAMES + 8} y={11}>attribution</text>
      <text class="soft" x={WIDTH} y={11} text-anchor="end">rank</text>
      <line class="rule" x1={x(0)} x2={x(0)} y1={TOP - 3} y2={height - 4} />
      {rows.map((row, i) => {
        const y = TOP + i * ROW + ROW / 2;
        const held = row.masks.includes(sel);
        const colour = domainColour(row.domain);
        return (
          <g
            key={row.task}
            class="row"
            role="button"
            tabindex={0}
            aria-label={`${row.label}: ${signed(row.score)}, rank ${count(row.rank)} of ${count(of)}${held ? ", in the circuit" : ""}`}
            aria-pressed={state.tasks.value.includes(row.task)}
            onClick={() => selectTasks(row.task)}
            onKeyDown={(event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), selectTasks(row.task))}
          >
            <title>{`${row.label}: ${signed(row.score)}, rank ${count(row.rank)} of ${count(of)}${row.masks.length ? `; in the circuit: ${row.masks.map(selName).join(", ")}` : ""}${row.nItems ? `; mean over ${row.nItems} items` : ""}`}</title>
            <rect class="hit" x={0} y={y - ROW / 2} width={WIDTH} height={ROW} />
            <text x={NAMES} y={y + 4} text-anchor="end" font-weight={held ? 600 : 400}>
              {short(row.label)} <tspan fill={colour}>{markOf(row.domain, Math.max(0, domainIndex(row.domain)))}</tspan>
            </text>
            <line x1={x(0)} x2={x(row.score)} y1={y} y2={y} stroke={colour} stroke-width={1.5} />
            <circle cx={x(row.score)} cy={y} r={held ? 4.5 : 3.5} fill={held ? colour : "var(--page)"} stroke={colour} stroke-width={1.5} />
            <text class="soft" x={WIDTH} y={y + 4} text-anchor="end">
              {count(row.rank)}
            </text>
          </g>
        );
      })}
      <text class="soft" x={x(most)} y={TOP - 9} text-anchor="end">{number(most)}</text>
    </svg>
  );
}
