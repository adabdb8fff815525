/** All networks: size, layers, what inhibiting each does to perplexity, beside as many random units. */
import { useRef } from "preact/hooks";
import type { Model, Net, Nets } from "../contract";
import { fileOf, ready, useFile } from "../data";
import { number, percent, ratio } from "../format";
import { model, selectNetwork, state } from "../state";
import { linear, logarithmic } from "./chart";
import { Choice, Frame, Waiting } from "./frame";
import { driversOf, harm, layersOf, sideOf, sorted, SORTS, tokensOf, type Sort } from "./networks";
import { plural, useOption } from "./study";
import { tells } from "./tip";
import { fitted, textWidth, useWidth } from "./use-width";
import { between, chance, powers } from "./words";

const LACKING = "This model has no networks: networks.datasets (and models.NAME.networks) makes them.";

export const needs = (own: Model): string | undefined => (own.networks.length ? undefined : LACKING);

export function NetworkTable() {
  const own = model.value;
  const loaded = useFile<Nets>(fileOf(own, "nets"));
  const nets = ready(loaded);
  const picture = useRef<SVGSVGElement>(null);
  const [box, width] = useWidth();
  const datasets = [...new Set(nets?.rows.map((row) => row.dataset) ?? [])];
  const [dataset, setDataset] = useOption("networks.dataset", ["all", ...datasets]);
  const [sort, setSort] = useOption("networks.sort", Object.keys(SORTS));
  if (!nets || !own) return <Waiting loaded={loaded} absent={LACKING} />;
  const rows = sorted(nets.rows, sort as Sort).filter((row) => dataset === "all" || row.dataset === dataset);
  const label = (row: Net): string => own.networks.find((set) => set.dataset === row.dataset)?.networks[row.network]?.label ?? `network ${row.network}`;
  const number_ = (row: Net): string => `${row.dataset} ${row.network}`;
  const drivers = (row: Net) => driversOf(nets.driving, row.dataset, row.network);
  const tokens = (row: Net): string => tokensOf(drivers(row), 3).map(([token]) => token).join(" ");
  const side = (row: Net): string => (tokens(row) ? sideOf(drivers(row)) : "");
  const arrow = (row: Net): string => (tokens(row) ? `${side(row) === "low" ? "↓" : "↑"} ${tokens(row)}` : "");
  const worst = sorted(rows, "harm")[0];
  const measured = rows.filter((row) => row.silenced);
  const narrow = width < 430;
  const named = narrow ? 92 : 112;
  const said = narrow ? 64 : 96;
  const sparkAt = named + said;
  const spark = narrow ? 0 : 64;
  const left = sparkAt + spark + 10;
  const right = width - 52;
  const values = measured.flatMap((row) => [row.silenced!.low, row.silenced!.high, row.silenced!.value, ...(row.random ?? []).map((one) => one.value)]).filter((one) => one > 0);
  const x = values.length ? logarithmic(Math.min(...values), Math.max(...values), left, right) : linear(0, 1, left, right);
  const line = 22;
  const height = rows.length * line + 40;
  const chosen = state.network.value;
  const intact = measured[0]?.silenced?.intact;
  const tens = x.ticks(6).filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9);
  const ticks = tens.length > 1 ? tens : x.ticks(3);
  const draws = measured[0]?.random?.length ?? 0;
  return (
    <Frame
      file={`${own.name}.networks`}
      picture={picture}
      choices={
        <>
          <Choice label="dataset" value={dataset} options={[["all", "all"], ...datasets.map((one) => [one, one] as const)]} choose={setDataset} />
          <Choice label="order" value={sort} options={Object.entries(SORTS)} choose={setSort} />
        </>
      }
      caption={
        <>
          {plural(rows.length, "network")} of {datasets.join(" and ")}. Perplexity with a network's units silenced (●, 95 % interval, log scale)
          {measured[0] && `, ${measured[0].silenced!.n} passages`}; controls: as many random units (grey ◇, {plural(draws, "draw")}); line: the intact model
          {intact !== undefined && ` (${number(intact)})`}. Right: the factor.
          {!measured.length && " What silencing does was not measured: networks.editing does it."}
          {!nets.driving.length && " What drives networks was not looked for: networks.following does it."}
        </>
      }
      table={{
        columns: [
          "network", "label", "units", "% of units", "% of variance", "stability", "perplexity silenced", "low", "high", "passages", "factor", "q", "perplexity, random units", "q, against random", "course", "strongest at",
        ],
        rows: () =>
          rows.map((row) => [
            number_(row), label(row), row.n_units, row.percent, 100 * row.explained, row.stability, row.silenced?.value, row.silenced?.low, row.silenced?.high, row.silenced?.n, harm(row),
            row.silenced?.q, row.random?.map((one) => number(one.value)).join(" "), row.silenced?.q_random, side(row), tokens(row),
          ]),
        select: (i) => selectNetwork({ dataset: rows[i]!.dataset, network: rows[i]!.network }),
      }}
    >
      {worst?.silenced && (
        <p class="view-answer">
          Most harmful: <strong>{number_(worst)}</strong>
          {label(worst) !== `network-${worst.network}` && `, ${label(worst)}`} ({plural(worst.n_units, "unit")}), perplexity × {ratio(harm(worst))}; as many random units ×{" "}
          {worst.random?.length ? worst.random.map((one) => ratio(one.value / worst.silenced!.intact)).join(", ") : "–"} ({chance("q", worst.silenced.q_random ?? NaN)}). Its
          course is {side(worst) || "strongest"} at <q>{tokensOf(drivers(worst), 5).map(([token]) => token).join(" · ") || "?"}</q>{" "}
          <button type="button" class="view-link" onClick={() => selectNetwork({ dataset: worst.dataset, network: worst.network })}>
            select it
          </button>
        </p>
      )}
      <div ref={box}>
        <svg ref={picture} class="picture" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label={`${rows.length} networks with what silencing each does`}>
          {ticks.map((tick) => (
            <g key={tick} class="axis">
              <line class="grid-line" x1={x(tick)} x2={x(tick)} y1={0} y2={height - 36} />
              <text x={x(tick)} y={height - 21} text-anchor="middle">
                {powers(tick)}
              </text>
            </g>
          ))}
          {intact !== undefined && <line class="even" x1={x(intact)} x2={x(intact)} y1={0} y2={height - 36} />}
          <text class="axis-label" x={(left + right) / 2} y={height - 5} text-anchor="middle">
            perplexity, silenced
          </text>
          {!narrow && (
            <text class="soft" x={sparkAt + spark / 2} y={height - 21} text-anchor="middle">
              layers
            </text>
          )}
          <text class="soft" x={named} y={height - 21}>
            {narrow ? "↑↓ at" : "high ↑, low ↓ at"}
          </text>
          {rows.map((row, i) => {
            const y = i * line + line / 2;
            const own = chosen?.dataset === row.dataset && chosen.network === row.network;
            const counts = layersOf(nets, row.dataset, row.network);
            const top = Math.max(1, ...counts);
            const lost = row.silenced;
            const words = [
              `${number_(row)}: ${plural(row.n_units, "unit")} (${number(row.percent)} %), ${percent(row.explained)} of the variance`,
              ...(lost ? [`silenced: perplexity ${between(lost.value, lost.low, lost.high)}, × ${ratio(harm(row))}`] : ["silencing was not measured"]),
              ...(row.random ?? []).map((one) => `random units: ${between(one.value, one.low, one.high)}`),
              ...(tokens(row) ? [`its course is ${side(row)} at ${tokens(row)}`] : []),
            ];
            const select = (): void => selectNetwork(own ? undefined : { dataset: row.dataset, network: row.network });
            return (
              <g
                key={number_(row)}
                class={`pick row ${own ? "chosen" : ""}`}
                role="button"
                tabindex={0}
                aria-pressed={own}
                aria-label={words.join("; ")}
                onClick={select}
                onKeyDown={(event) => {
                  if (event.key !== "Enter" && event.key !== " ") return;
                  event.preventDefault();
                  select();
                }}
                {...tells(...words)}
              >
                <rect class="hit" x={0} y={y - line / 2} width={width} height={line} />
                <text x={4} y={y} dy="0.34em">
                  {fitted(row.dataset, named - 10 - textWidth(` ${row.network}`))} {row.network}
                </text>
                <text class="soft" x={named} y={y} dy="0.34em">
                  {fitted(arrow(row), said - 8)}
                </text>
                {!narrow &&
                  counts.map((count, layer) => {
                    const step = spark / counts.length;
                    const size = ((line - 6) * count) / top;
                    return count > 0 && <rect key={layer} class={layer === state.layer.value ? "spark here" : "spark"} x={sparkAt + layer * step} y={y + line / 2 - 3 - size} width={Math.max(0.8, step - 0.4)} height={size} />;
                  })}
                {(row.random ?? []).map((one, j) => (
                  <path key={j} class="control" d={`M${x(one.value)},${y - 4.5}l4.5,4.5l-4.5,4.5l-4.5,-4.5Z`} fill="var(--page)" stroke="var(--control)" stroke-width={1.2} />
                ))}
                {lost && (
                  <>
                    <line x1={x(lost.low)} x2={x(lost.high)} y1={y} y2={y} stroke="var(--ink)" stroke-width={1.6} />
                    <circle cx={x(lost.value)} cy={y} r={4} fill="var(--ink)" />
                  </>
                )}
                <text x={width - 2} y={y} dy="0.34em" text-anchor="end">
                  {lost ? `× ${ratio(harm(row))}` : "–"}
                </text>
              </g>
            );
          })}
        </svg>
      </div>
    </Frame>
  );
}
