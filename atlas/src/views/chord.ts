/** Chord diagrams: which arcs, which ribbons, in which order. */
import { chord, ribbon, type Chord, type ChordGroup } from "d3-chord";
import { arc } from "d3-shape";

export interface Wheel {
  groups: (ChordGroup & { path: string; label: [number, number]; angle: number })[];
  ribbons: { source: number; target: number; value: number; path: string }[];
}

/**
 * @param values symmetric; the diagonal is left out
 * @param gap after each group, in radians
 */
export function wheel(values: number[][], radius: number, gap: number, minimum = 0): Wheel {
  const links = values.map((row, i) =>
    row.map((value, j) => (i !== j && Number.isFinite(value) && value > minimum ? value : 0)),
  );
  const found = chord().padAngle(gap).sortSubgroups((a, b) => b - a)(links);
  const ring = arc<ChordGroup>().innerRadius(radius + 2).outerRadius(radius + 9);
  const shape = ribbon<Chord, Chord["source"]>().radius(radius);
  return {
    groups: found.groups.map((group) => {
      const middle = (group.startAngle + group.endAngle) / 2;
      const out = radius + 14;
      return {
        ...group,
        path: ring(group) ?? "",
        label: [Math.sin(middle) * out, -Math.cos(middle) * out],
        angle: middle,
      };
    }),
    ribbons: found
      .map((one) => ({
        source: one.source.index,
        target: one.target.index,
        value: links[one.source.index]![one.target.index]!,
        path: (shape as unknown as (chord: Chord) => string | null)(one) ?? "",
      }))
      // The thin ones on top, where they can be pointed at.
      .sort((a, b) => b.value - a.value),
  };
}

/** The mean of both directions, or the one there is. */
export function undirected(one: number, other: number): number {
  const both = [one, other].filter(Number.isFinite);
  return both.length ? both.reduce((sum, value) => sum + value, 0) / both.length : NaN;
}
