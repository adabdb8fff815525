/** Texts with a network's course over their tokens. */
import { Fragment } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Course, Model, Nets } from "../contract";
import { fileOf, firstFile, ready, useFile } from "../data";
import { number, ratio, signed } from "../format";
import { signedColour, textOn } from "../palette";
import { model, selectNetwork, state } from "../state";
import { dark } from "../theme";
import { flow, peaks, piecesOf, runsOf, strongest, visible, type Run } from "./courses";
import { Choice, Frame, Note, Waiting } from "./frame";
import { Legend } from "./matrix-picture";
import { driversOf, harm, sorted, type Driver } from "./networks";
import { useOption } from "./study";
import { hideTip, showTip, showTipAt } from "./tip";
import { textWidth } from "./use-width";

const LACKING = "Networks were not followed over texts: networks.datasets and networks.following do it.";

export const needs = (own: Model): string | undefined => (own.networks.length ? undefined : LACKING);

export function Courses() {
  const own = model.value;
  const picture = useRef<HTMLDivElement>(null);
  const nets = ready(useFile<Nets>(fileOf(own, "nets")));
  // Where nothing is chosen: the network that does most harm when it is silenced.
  const worst = nets && sorted(nets.rows, "harm")[0];
  const sets = own?.networks ?? [];
  const chosen = state.network.value ?? (worst ? { dataset: worst.dataset, network: worst.network } : sets[0] && { dataset: sets[0].dataset, network: 0 });
  const loaded = useFile<Course>(chosen && firstFile(own, `courses.${chosen.dataset}`));
  const course = ready(loaded);
  const set = sets.find((one) => one.dataset === chosen?.dataset);
  const runs = course && chosen ? runsOf(course, chosen.network) : [];
  const drivers = nets && chosen ? driversOf(nets.driving, chosen.dataset, chosen.network) : [];
  const options = [...runs.map((run, i) => [String(i), run.name] as const), ...(drivers.length ? [["places", "where it is strongest"] as const] : [])];
  const [text, setText] = useOption("courses.text", options.map(([name]) => name));
  if (!own || !chosen || !set) return <Note>{LACKING}</Note>;
  if (loaded.state === "loading" || (!runs.length && !drivers.length)) return <Waiting loaded={loaded} absent={LACKING} />;
  const run = runs[Number(text)];
  const named = (dataset: string, network: number): string => {
    const info = sets.find((one) => one.dataset === dataset)?.networks[network];
    return info && info.label !== info.name ? `${network}: ${info.label}` : `network ${network}`;
  };
  const row = nets?.rows.find((one) => one.dataset === chosen.dataset && one.network === chosen.network);
  const end = text === "places" ? strongest(drivers.map((one) => one.course)) : strongest(run?.values ?? []);
  const night = dark.value;
  return (
    <Frame
      picture={text === "places" ? undefined : picture}
      file={`${own.name}.course.${chosen.dataset}.${chosen.network}`}
      choices={
        <>
          <Choice label="dataset" value={chosen.dataset} options={sets.map((one) => [one.dataset, one.dataset])} choose={(dataset) => selectNetwork({ dataset, network: 0 })} />
          <Choice
            label="network"
            value={String(chosen.network)}
            options={set.networks.map((_, i) => [String(i), named(chosen.dataset, i)])}
            choose={(network) => selectNetwork({ dataset: chosen.dataset, network: Number(network) })}
          />
          <Choice label="text" value={text} options={options} choose={setText} />
        </>
      }
      caption={
        <>
          {chosen.dataset} {named(chosen.dataset, chosen.network)}
          {row && ` (${row.n_units} units)`}. Colour: its course at each token (z-scored signal of its units; red above, blue below its mean).{" "}
          {row?.silenced && `Silencing it: perplexity × ${ratio(harm(row))}; as many random units × ${row.random?.length ? row.random.map((one) => ratio(one.value / row.silenced!.intact)).join(", ") : "–"} (control). `}
          {!state.network.value && worst && "The most harmful network is shown until one is chosen."}
        </>
      }
      table={
        text === "places"
          ? { columns: ["token", "course", "before", "after", "text"], rows: () => drivers.map((one) => [one.token, one.course, one.before, one.after, one.text]) }
          : { columns: ["token", "place", "course"], rows: () => (run ? run.tokens.map((token, i) => [token, i, run.values[i]!]) : []) }
      }
    >
      {run && text !== "places" && (
        <div ref={picture} class="view-unseen" aria-hidden="true">
          <Picture run={run} end={end} night={night} />
        </div>
      )}
      {text === "places" ? <Places drivers={drivers} end={end} night={night} /> : run && <Tokens run={run} end={end} night={night} />}
      {end > 0 && <Legend from={number(-end)} to={`+${number(end)}`} colour={(share) => signedColour(2 * share - 1, 1, night)} />}
    </Frame>
  );
}

function Tokens({ run, end, night }: { run: Run; end: number; night: boolean }) {
  const [at, setAt] = useState<number | undefined>(undefined);
  const box = useRef<HTMLParagraphElement>(null);
  const pieces = piecesOf(run);
  const says = (place: number): string[] => {
    const { text, values, from } = pieces[place]!;
    return [visible(text), `course ${values.map(signed).join(", ")}`, `token ${from + 1} of ${run.tokens.length}`];
  };
  const top = peaks(
    pieces.map((piece) => piece.strongest),
    6,
  );
  return (
    <>
      <p class="view-answer">
        Strongest at{" "}
        {top.map((place, i) => (
          <span key={place}>
            {i > 0 && ", "}
            <q>{visible(pieces[place]!.text).trim() || "␣"}</q> <span class="soft">{signed(pieces[place]!.strongest)}</span>
          </span>
        ))}
      </p>
      <p
        ref={box}
        class="view-tokens"
        dir="auto"
        tabIndex={0}
        role="application"
        aria-roledescription="text with values"
        aria-label={`Text of ${run.tokens.length} tokens. Left and right arrow keys move between tokens.`}
        onKeyDown={(event) => {
          const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
          if (!step) return;
          event.preventDefault();
          event.stopPropagation();
          const next = Math.max(0, Math.min(pieces.length - 1, (at ?? (step > 0 ? -1 : pieces.length)) + step));
          setAt(next);
          const token = box.current?.querySelector(`[data-place="${next}"]`);
          if (token) showTipAt(token, ...says(next));
        }}
        onBlur={() => {
          setAt(undefined);
          hideTip();
        }}
        onPointerLeave={hideTip}
        onPointerMove={(event) => {
          const place = Number((event.target as HTMLElement).dataset.place ?? NaN);
          if (Number.isNaN(place)) hideTip();
          else showTip(event, ...says(place));
        }}
      >
        {pieces.map(({ text, values, strongest: most }, place) => (
          <Fragment key={place}>
            <span data-place={place} class={place === at ? "at" : undefined} style={{ background: shades(values, end, night), color: textOn(signedColour(most, end, night)) }}>
              {visible(text)}
            </span>
            {text.endsWith("↵") && <br />}
          </Fragment>
        ))}
      </p>
      <div class="for-ears" aria-live="polite">
        {at === undefined ? "" : says(at).join(", ")}
      </div>
    </>
  );
}

/** A stripe for each token of a piece. */
function shades(values: number[], end: number, night: boolean): string {
  const colours = values.map((value) => signedColour(value, end, night));
  if (colours.length === 1) return colours[0]!;
  const step = 100 / colours.length;
  return `linear-gradient(90deg, ${colours.map((colour, i) => `${colour} ${i * step}% ${(i + 1) * step}%`).join(", ")})`;
}

/** The same text as a picture, to take away: never seen on the page. */
function Picture({ run, end, night }: { run: Run; end: number; night: boolean }) {
  const [wide, line] = [640, 24];
  const placed = flow(piecesOf(run).map((piece) => ({ ...piece, width: textWidth(visible(piece.text), 14) })), wide - 16);
  const height = (placed.at(-1)?.line ?? 0) * line + line + 16;
  return (
    <svg class="picture" width={wide} height={height} viewBox={`0 0 ${wide} ${height}`} style={{ fontSize: "14px" }}>
      {placed.map(({ x, line: row, width, text, values }, i) => (
        <g key={i} transform={`translate(${8 + x}, ${8 + row * line})`}>
          {values.map((value, j) => (
            <rect key={j} x={(j * width) / values.length} width={width / values.length} height={line - 4} fill={signedColour(value, end, night)} />
          ))}
          <text y={15} style={{ fill: textOn(signedColour(values[0]!, end, night)), whiteSpace: "pre" }}>
            {visible(text)}
          </text>
        </g>
      ))}
    </svg>
  );
}

function Places({ drivers, end, night }: { drivers: Driver[]; end: number; night: boolean }) {
  return (
    <ol class="view-places">
      {drivers.map((one, i) => {
        const colour = signedColour(one.course, end, night);
        return (
          <li key={i}>
            <span class="value">{signed(one.course)}</span>
            <span class="place" dir="auto">
              {one.before}
              <mark style={{ background: colour, color: textOn(colour) }}>{visible(one.token)}</mark>
              {one.after}
            </span>
          </li>
        );
      })}
    </ol>
  );
}
