/** Tokens and texts: always as text, whatever they hold. */
import type { Place } from "../contract";
import { number } from "../format";

/** White space and signs that would not be seen. */
export const visible = (token: string): string =>
  token.replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/^ | $/g, "␣").replace(/\p{Cc}|\p{Cf}/gu, "�") || "(empty)";

export function Tokens({ label, tokens }: { label: string; tokens: [string, number | null][] }) {
  const most = Math.max(1e-9, ...tokens.map(([, logit]) => Math.abs(logit ?? 0)));
  return (
    <div class="tokens">
      <h4>{label}</h4>
      <ol>
        {tokens.map(([token, logit], i) => (
          <li key={i}>
            <code dir="auto">{visible(token)}</code>
            <i style={{ width: `${(40 * Math.abs(logit ?? 0)) / most}%` }} aria-hidden="true" />
            <span class="soft">{number(logit)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** Characters of the text that a place shows on either side (`AROUND` of networks/stages/following.py). */
const AROUND = 60;

/** Whether the text goes on beyond what is shown: then a word may be cut. */
export const goesOn = (part: string): boolean => [...part].length >= AROUND;

export function Places({ places, unit }: { places: Pick<Place, "before" | "token" | "after" | "value">[]; unit: string }) {
  const most = Math.max(1e-9, ...places.map((place) => Math.abs(place.value)));
  return (
    <ol class="places">
      {places.map((place, i) => (
        <li key={i}>
          <span class="soft value" title={unit}>
            {number(place.value)}
          </span>
          <q dir="auto">
            {goesOn(place.before) && "…"}
            {place.before}
            <mark style={{ "--strong": `${Math.round(25 + (55 * Math.abs(place.value)) / most)}%` }}>{place.token}</mark>
            {place.after}
            {goesOn(place.after) && "…"}
          </q>
        </li>
      ))}
    </ol>
  );
}
