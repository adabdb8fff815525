/** Axes, lines with intervals and legends of the charts with numbers on both axes. */
import { scaleLinear, scaleLog, type ScaleContinuousNumeric } from "d3-scale";
import type { ComponentChildren } from "preact";
import { number } from "../format";
import { powers } from "./words";

export type Scale = ScaleContinuousNumeric<number, number>;

export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export const frameOf = (width: number, height: number, left = 44): Frame => ({
  width,
  height,
  left,
  right: width - 12,
  top: 10,
  bottom: height - 38,
});

export function linear(from: number, to: number, start: number, end: number): Scale {
  return scaleLinear().domain(from === to ? [from - 1, to + 1] : [from, to]).range([start, end]);
}

/** Powers of ten, where values span several. */
export function logarithmic(from: number, to: number, start: number, end: number): Scale {
  return scaleLog().domain([from * 0.8, to * 1.25]).range([start, end]);
}

interface AxisProps {
  at: Frame;
  scale: Scale;
  label: string;
  /** Of an axis with few values: these, and what they are called. */
  ticks?: number[];
  text?: (value: number) => string;
  count?: number;
}

/** Log scales give many ticks, of which those that are powers of ten have a number. */
function ticksOf(scale: Scale, count: number): number[] {
  const all = scale.ticks(count);
  const tens = all.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9);
  const isLog = "base" in scale;
  if (!isLog) return all;
  const kept = tens.length > 1 ? tens : all.filter((_, i) => i % 3 === 0);
  const every = Math.ceil(kept.length / count);
  return kept.filter((_, i) => i % every === 0);
}

export function XAxis({ at, scale, label, ticks, text = number, count = 6 }: AxisProps) {
  return (
    <g class="axis">
      <line x1={at.left} x2={at.right} y1={at.bottom} y2={at.bottom} />
      {(ticks ?? ticksOf(scale, count)).map((value) => (
        <g key={value} transform={`translate(${scale(value)}, ${at.bottom})`}>
          <line y2={4} />
          <text y={16} text-anchor="middle">
            {text(value)}
          </text>
        </g>
      ))}
      <text class="axis-label" x={(at.left + at.right) / 2} y={at.bottom + 32} text-anchor="middle">
        {label}
      </text>
    </g>
  );
}

export function YAxis({ at, scale, label, text = "base" in scale ? powers : number, count = 5 }: AxisProps) {
  return (
    <g class="axis">
      {ticksOf(scale, count).map((value) => (
        <g key={value} transform={`translate(${at.left}, ${scale(value)})`}>
          <line class="grid-line" x2={at.right - at.left} />
          <text x={-6} dy="0.34em" text-anchor="end">
            {text(value)}
          </text>
        </g>
      ))}
      <text class="axis-label" transform={`translate(11, ${(at.top + at.bottom) / 2}) rotate(-90)`} text-anchor="middle">
        {label}
      </text>
    </g>
  );
}

export interface Series {
  key: string;
  label: string;
  colour: string;
  dash?: string;
  control?: boolean;
  /** Another cue than the colour. */
  mark?: Mark;
}

export type Mark = "circle" | "square" | "triangle" | "diamond" | "open";

/** The sign of a point; open ones have the page's colour inside. */
export function Point({ x, y, mark = "circle", colour, size = 3.6 }: { x: number; y: number; mark?: Mark; colour: string; size?: number }) {
  const s = size;
  switch (mark) {
    case "square":
      return <rect x={x - s} y={y - s} width={2 * s} height={2 * s} fill={colour} />;
    case "triangle":
      return <path d={`M${x},${y - s * 1.2}L${x + s * 1.1},${y + s * 0.9}L${x - s * 1.1},${y + s * 0.9}Z`} fill={colour} />;
    case "diamond":
      return <path d={`M${x},${y - s * 1.3}L${x + s * 1.3},${y}L${x},${y + s * 1.3}L${x - s * 1.3},${y}Z`} fill={colour} />;
    case "open":
      return <circle class="open" cx={x} cy={y} r={s} stroke={colour} stroke-width={1.6} />;
    default:
      return <circle cx={x} cy={y} r={s} fill={colour} />;
  }
}

/** Lines as the picture has them, with their names; controls say that they are. */
export function Key({ series, pick }: { series: Series[]; pick?: (key: string) => void }) {
  return (
    <ul class="view-key">
      {series.map((one) => {
        const inside = (
          <>
            <svg width="26" height="12" aria-hidden="true">
              <line x1="0" x2="26" y1="6" y2="6" stroke={one.colour} stroke-width="2" stroke-dasharray={one.dash} />
              {one.mark && <Point x={13} y={6} mark={one.mark} colour={one.colour} />}
            </svg>
            {one.label}
            {one.control && <span class="is-control"> (control)</span>}
          </>
        );
        return (
          <li key={one.key}>
            {pick ? (
              <button type="button" onClick={() => pick(one.key)}>
                {inside}
              </button>
            ) : (
              <span>{inside}</span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

export const Svg = ({ children, at, label, ...rest }: { children: ComponentChildren; at: Frame; label: string; [name: string]: unknown }) => (
  <svg class="picture" width={at.width} height={at.height} viewBox={`0 0 ${at.width} ${at.height}`} role="img" aria-label={label} {...rest}>
    {children}
  </svg>
);

/** A polyline through points that are known. */
export const path = (points: readonly (readonly [number, number])[]): string => {
  let d = "";
  let pen = false;
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      pen = false;
      continue;
    }
    d += `${pen ? "L" : "M"}${x.toFixed(2)},${y.toFixed(2)}`;
    pen = true;
  }
  return d;
};
