/** What the colours mean, with how many units have each. */
import { count, number } from "../format";
import { MAGNITUDE, markOf, SIGNED, SIGNED_DARK } from "../palette";
import { manifest } from "../data";
import { selectDomain, state } from "../state";
import { dark } from "../theme";
import type { Field, Scale } from "./field";

export function gradient(scale: Scale, isDark: boolean): string[] {
  const table = scale.kind === "magnitude" ? MAGNITUDE : isDark ? SIGNED_DARK : SIGNED;
  return Array.from({ length: 17 }, (_, i) => {
    const at = 3 * Math.min(255, i * 16);
    return `rgb(${table[at]}, ${table[at + 1]}, ${table[at + 2]})`;
  });
}

export function Legend({ field }: { field: Field }) {
  const { scale, keys } = field;
  const domains = manifest.value?.domains ?? [];
  return (
    <div class="legend">
      {scale && (
        <div class="bar" role="img" aria-label={`${scale.label} from ${scale.kind === "signed" ? number(-scale.end) : 0} to ${number(scale.end)}`}>
          <span>{scale.kind === "signed" ? `≤ ${number(-scale.end)}` : "0"}</span>
          <i style={{ background: `linear-gradient(to right, ${gradient(scale, dark.value).join(", ")})` }} />
          <span>≥ {number(scale.end)}</span>
          <span class="soft">{scale.label}{scale.root ? ", square-root scale" : ""}</span>
        </div>
      )}
      <ul>
        {keys.map((key) => {
          const i = domains.findIndex((domain) => domain.label === key.label);
          const inner = (
            <>
              <i class="swatch" style={{ background: key.colour }} aria-hidden="true" />
              {i >= 0 && <span class="cue" aria-hidden="true">{markOf(domains[i]!.name, i)}</span>}
              {key.label}
              {key.n !== undefined && <span class="soft n">{count(key.n)}</span>}
            </>
          );
          const name = i >= 0 ? domains[i]!.name : undefined;
          return (
            <li key={key.label}>
              {name !== undefined ? (
                <button
                  type="button"
                  aria-pressed={state.domain.value === name}
                  onClick={() => selectDomain(state.domain.value === name ? undefined : name)}
                >
                  {inner}
                </button>
              ) : (
                inner
              )}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
