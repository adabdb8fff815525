/** Ablation as a matrix: what is lost, and which random units stand beside it. */
import type { Control, Controls, FloatGrid, Matrices } from "../contract";
import { valueAt } from "./matrix";

export type Effect = "accuracy_drop" | "score";

/** One ablation of one model, with its controls. */
export class Lesions {
  private constructor(
    readonly grid: FloatGrid,
    readonly effect: Effect,
    readonly controls: Controls | undefined,
  ) {}

  static of(matrices: Matrices | undefined, component: string, sel: string, kind: string, effect: Effect): Lesions | undefined {
    const grid = matrices?.ablation[component]?.[sel]?.[kind]?.[effect];
    return grid && new Lesions(grid, effect, matrices.controls?.[component]?.[sel]?.[kind]);
  }

  private of = (control: Control | undefined): FloatGrid | undefined => control?.[this.effect];

  /** A score is 1 where nothing is lost. */
  loss = (value: number): number => (this.effect === "score" ? 1 - value : value);

  get centre(): number {
    return this.effect === "score" ? 1 : 0;
  }

  /** Items that the values of a task's column are of. */
  items = (column: number): number => this.controls?.n?.values[column] ?? NaN;

  /** As many random units of the same layers as the circuit of the row has. */
  matched = (row: number, column: number): number => {
    const grid = this.of(this.controls?.layer_matched);
    return grid ? valueAt(grid, row, column) : NaN;
  };

  random = (column: number): number => this.of(this.controls?.random)?.values[column] ?? NaN;

  /** Rows of controls: those that are drawn for a circuit are those of the task's own, which stand beside the diagonal. */
  get rows(): { label: string; value: (place: number) => number }[] {
    const active = this.of(this.controls?.activation_matched);
    const rows = [
      ...(this.of(this.controls?.layer_matched) ? [{ label: "same layers", value: (place: number) => this.matched(place, place) }] : []),
      ...(active ? [{ label: "as active", value: (place: number) => valueAt(active, place, place) }] : []),
      ...(this.of(this.controls?.random) ? [{ label: "any layer", value: this.random }] : []),
    ];
    return rows;
  }

  get draws(): number {
    const { layer_matched, activation_matched, random } = this.controls ?? {};
    return Math.max(0, ...[layer_matched, activation_matched, random].map((one) => one?.trials ?? 0));
  }
}

/** `8`, `8 to 16`, or nothing where it is not known. */
export function span(values: readonly number[]): string {
  const known = values.filter(Number.isFinite);
  if (!known.length) return "";
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return low === high ? `${low}` : `${low} to ${high}`;
}
