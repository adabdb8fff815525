/** How many units two sets share where one of them is drawn at random. */

/** Units per layer, of flat units. */
export function perLayer(units: Iterable<number>, layers: number, width: number): number[] {
  const counts = new Array<number>(layers).fill(0);
  for (const flat of units) {
    const layer = Math.floor(flat / width);
    if (layer < layers) counts[layer]!++;
  }
  return counts;
}

/** Of two sets anywhere in the model. */
export const byChance = (one: number, other: number, all: number): number => (all ? (one * other) / all : NaN);

/**
 * Of as many units in each layer as the sets have: the hypergeometric mean of every layer, summed. Circuits crowd in
 * some layers, so that sets in these share more than anywhere. `widths`: units of each layer; one without any adds nothing.
 */
export const byChanceInLayers = (one: readonly number[], other: readonly number[], widths: readonly number[]): number =>
  one.reduce((sum, count, layer) => sum + (widths[layer] ? byChance(count, other[layer] ?? 0, widths[layer]!) : 0), 0);
