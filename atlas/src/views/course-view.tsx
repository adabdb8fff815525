/** Texts with a network's course over their tokens. */
import { useRef, useState } from "preact/hooks";
import type { Course, Model } from "../contract";
import { fileOf, firstFile, ready, useFile } from "../data";
import { number, signed } from "../format";
import { signedColour, textOn } from "../palette";
import { model, selectNetwork, state } from "../state";
import { dark } from "../theme";
import { peaks, runsOf, strongest, visible, type Run } from "./courses";
import { Choice, Frame, Note, Waiting } from "./frame";
import { Legend } from "./matrix-picture";
import { driversOf, harm, sorted, type Driver, type Nets } from "./networks";
import { useOption } from "./study";
import { hideTip, showTip, showTipAt } from "./tip";

const LACKING = "Networks were not followed over texts: `networks.datasets` and `networks.following` do it.";

export const needs = (own: Model): string | undefined => (own.networks.length ? undefined : LACKING);

export function Courses() {
  const own = model.value;
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
          {row && `, ${row.n_units} units`}. Colour: its course at each token (z-scored signal of its units; red above, blue below its mean).{" "}
          {row?.silenced && `Silencing it: perplexity × ${number(harm(row))}; as many random units × ${row.random?.length ? number(row.random[0]!.value / row.silenced.intact) : "–"} (control). `}
          {!state.network.value && worst && "The most harmful network is shown until one is chosen."}
        </>
      }
      table={
        text === "places"
          ? { columns: ["token", "course", "before", "after", "text"], rows: () => drivers.map((one) => [one.token, one.course, one.before, one.after, one.text]) }
          : { columns: ["token", "place", "course"], rows: () => (run ? run.tokens.map((token, i) => [token, i, run.values[i]!]) : []) }
      }
    >
      {text === "places" ? <Places drivers={drivers} end={end} night={night} /> : run && <Tokens run={run} end={end} night={night} />}
      {end > 0 && <Legend from={number(-end)} to={`+${number(end)}`} colour={(share) => signedColour(2 * share - 1, 1, night)} />}
    </Frame>
  );
}

function Tokens({ run, end, night }: { run: Run; end: number; night: boolean }) {
  const [at, setAt] = useState<number | undefined>(undefined);
  const box = useRef<HTMLParagraphElement>(null);
  const count = run.tokens.length;
  const says = (place: number): string[] => [visible(run.tokens[place]!), `course ${signed(run.values[place]!)}`, `token ${place + 1} of ${count}`];
  const top = peaks(run.values, 6);
  return (
    <>
      <p class="view-answer">
        Strongest at{" "}
        {top.map((place, i) => (
          <span key={place}>
            {i > 0 && ", "}
            <q>{visible(run.tokens[place]!).trim() || "␣"}</q> <span class="soft">{signed(run.values[place]!)}</span>
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
        aria-label={`Text of ${count} tokens. Left and right arrow keys move between tokens.`}
        onKeyDown={(event) => {
          const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
          if (!step) return;
          event.preventDefault();
          event.stopPropagation();
          const next = Math.max(0, Math.min(count - 1, (at ?? (step > 0 ? -1 : count)) + step));
          setAt(next);
          const token = box.current?.children[next];
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
        {run.tokens.map((token, place) => {
          const colour = signedColour(run.values[place]!, end, night);
          return (
            <span key={place} data-place={place} class={place === at ? "at" : undefined} style={{ background: colour, color: textOn(colour) }}>
              {visible(token)}
            </span>
          );
        })}
      </p>
      <div class="for-ears" aria-live="polite">
        {at === undefined ? "" : says(at).join(", ")}
      </div>
    </>
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
