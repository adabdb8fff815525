/**
 * Where data comes from. A page opened from a disk may not fetch, but it may append `<script src="data/X.js">`;
 * each such script calls `atlas("X", value)`. A single-file atlas holds the same values inside the page, either as
 * the same calls or as `<script type="application/json" data-atlas="X">`, which is parsed only when it is wanted.
 * Values stay in memory until their arrays together exceed a budget; then those unused for longest go.
 */
import { signal, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { decodeAll } from "./arrays";
import type { Manifest, Model } from "./contract";

export type Loaded<T> =
  | { state: "absent" }
  | { state: "loading" }
  | { state: "failed"; why: string }
  | { state: "ready"; value: T };

interface Entry {
  signal: Signal<Loaded<unknown>>;
  bytes: number;
  used: number;
  /** Views that show it: it is not dropped while there are any. */
  holders: number;
}

type Receive = (name: string, value: unknown) => void;

interface Inbox {
  (name: string, value: unknown): void;
  waiting?: Map<string, unknown>;
  take?: () => void;
}

const ABSENT: Loaded<never> = { state: "absent" };

/** All data of one page. A class, so that tests can have one with a loader of their own. */
export class Library {
  private readonly entries = new Map<string, Entry>();
  private clock = 0;
  private readonly absent = signal<Loaded<unknown>>(ABSENT);

  constructor(
    private readonly ask: (name: string, receive: Receive, fail: (why: string) => void) => void,
    private readonly budget = 96 * 1024 * 1024,
  ) {}

  /** The file's state, which changes when it arrives; asks for it if it is not here. */
  get<T>(name: string | undefined): Signal<Loaded<T>> {
    if (name === undefined) return this.absent as Signal<Loaded<T>>;
    const entry = this.entry(name);
    entry.used = ++this.clock;
    return entry.signal as Signal<Loaded<T>>;
  }

  /** A value that is here already; asks for nothing. */
  peek<T>(name: string | undefined): T | undefined {
    const state = name === undefined ? undefined : this.entries.get(name)?.signal.peek();
    return state?.state === "ready" ? (state.value as T) : undefined;
  }

  /** While held, a file is not dropped. */
  hold(name: string): () => void {
    const entry = this.entry(name);
    entry.holders++;
    return () => {
      entry.holders--;
      this.trim();
    };
  }

  async load<T>(name: string | undefined): Promise<T | undefined> {
    const state = this.get<T>(name);
    return new Promise((resolve) => {
      let stop: (() => void) | undefined;
      let done = false;
      stop = state.subscribe((now) => {
        if (now.state === "loading" || done) return;
        done = true;
        stop?.();
        resolve(now.state === "ready" ? now.value : undefined);
      });
      if (done) stop();
    });
  }

  /** Bytes of all values that are here. */
  get bytes(): number {
    let sum = 0;
    for (const entry of this.entries.values()) sum += entry.bytes;
    return sum;
  }

  get names(): string[] {
    return [...this.entries.keys()];
  }

  private entry(name: string): Entry {
    const known = this.entries.get(name);
    if (known) return known;
    const entry: Entry = { signal: signal<Loaded<unknown>>({ state: "loading" }), bytes: 0, used: ++this.clock, holders: 0 };
    this.entries.set(name, entry);
    this.ask(
      name,
      (_, value) => this.receive(name, entry, value),
      (why) => (entry.signal.value = { state: "failed", why }),
    );
    return entry;
  }

  private receive(name: string, entry: Entry, value: unknown): void {
    try {
      const decoded = decodeAll(value);
      entry.bytes = decoded.bytes;
      entry.signal.value = { state: "ready", value: decoded.value };
    } catch (error) {
      entry.signal.value = { state: "failed", why: `${name}: ${error instanceof Error ? error.message : String(error)}` };
    }
    this.trim(entry);
  }

  private trim(newest?: Entry): void {
    let sum = this.bytes;
    if (sum <= this.budget) return;
    const free = [...this.entries].filter(([, entry]) => entry.bytes && !entry.holders && entry !== newest);
    free.sort(([, a], [, b]) => a.used - b.used);
    for (const [name, entry] of free) {
      if (sum <= this.budget) return;
      sum -= entry.bytes;
      this.entries.delete(name);
    }
  }
}

/** Loads by appending scripts; what has come by itself (single file, manifest) is taken from the inbox. */
function byScripts(): (name: string, receive: Receive, fail: (why: string) => void) => void {
  const inbox = (globalThis as unknown as { atlas: Inbox }).atlas;
  const wanted = new Map<string, Receive>();
  inbox.take = () => {
    for (const [name, value] of inbox.waiting ?? []) {
      const receive = wanted.get(name);
      if (!receive) continue;
      wanted.delete(name);
      inbox.waiting!.delete(name);
      receive(name, value);
    }
  };
  return (name, receive, fail) => {
    wanted.set(name, receive);
    if (inbox.waiting?.has(name)) {
      inbox.take!();
      return;
    }
    const inline = document.querySelector(`script[data-atlas="${CSS.escape(name)}"]`);
    if (inline) {
      wanted.delete(name);
      receive(name, JSON.parse(inline.textContent ?? "null"));
      return;
    }
    const script = document.createElement("script");
    script.src = `data/${name.split("/").map(encodeURIComponent).join("/")}.js`;
    script.onload = () => {
      // Its text is as large as its data: it leaves the document at once.
      script.remove();
      if (wanted.delete(name)) fail(`data/${name}.js does not hold what its name says`);
    };
    script.onerror = () => {
      script.remove();
      wanted.delete(name);
      fail(`data/${name}.js cannot be read: it must lie beside this page`);
    };
    document.head.append(script);
  };
}

let shared: Library | undefined;

export function library(): Library {
  shared ??= new Library(byScripts());
  return shared;
}

/** For tests: the page's library is this one. */
export function useLibrary(other: Library): void {
  shared = other;
}

/** A file's value in a component, held while the component is on the page. */
export function useFile<T>(name: string | undefined): Loaded<T> {
  const state = useMemo(() => library().get<T>(name), [name]);
  useEffect(() => (name === undefined ? undefined : library().hold(name)), [name]);
  return state.value;
}

/** The value, or undefined while there is none. */
export function ready<T>(loaded: Loaded<T>): T | undefined {
  return loaded.state === "ready" ? loaded.value : undefined;
}

/**
 * The file of a logical name, without the model: `neurons.scores.language/npi`, `neurons.exact.language/npi` (all
 * units of a binned component), `neurons.layer.12`, `neurons.masks`, `neurons.masks.positive-5.0pct`,
 * `neurons.order`, `neurons.domains`, `localizer.language`, `networks.encyclopedia`, `courses.encyclopedia`,
 * `matrices`, `curves`, `units`, `silenced`.
 */
export function fileOf(model: Model | undefined, logical: string): string | undefined {
  if (!model || !Object.hasOwn(model.files, logical)) return undefined;
  return model.files[logical];
}

/** The logical name of a task's scores by the study's estimator, or by one that it tried. */
export const scoresName = (site: string, task: string, estimator: string | undefined): string =>
  estimator === undefined ? `${site}.scores.${task}` : `${site}.tried.${estimator}.${task}`;

/** The first of these files that there is. */
export function firstFile(model: Model | undefined, ...logical: string[]): string | undefined {
  for (const name of logical) {
    const file = fileOf(model, name);
    if (file !== undefined) return file;
  }
  return undefined;
}

export const manifest = signal<Manifest | undefined>(undefined);
