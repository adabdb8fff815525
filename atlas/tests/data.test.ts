import { describe, expect, it } from "vitest";
import { decodeAll } from "../src/arrays";
import { Library } from "../src/data";
import { csv, fileName } from "../src/export";
import { methodName, number, percent, selName, signed, unitName } from "../src/format";

const encoded = (values: Float32Array | Int32Array | Uint16Array | Uint8Array, dtype: string, shape: number[]) => ({
  dtype, shape, data: Buffer.from(values.buffer).toString("base64"),
});

describe("arrays in data files", () => {
  it("come back as they were, of every type", () => {
    const given = { a: encoded(Float32Array.from([1.5, -2, NaN]), "f32", [3]), b: [encoded(Int32Array.from([-7, 9]), "i32", [1, 2])], c: encoded(Uint16Array.from([65535]), "u16", [1]), d: encoded(Uint8Array.from([255]), "u8", [1]) };
    const { value, bytes } = decodeAll(given);
    expect(value).toEqual({ a: { shape: [3], values: Float32Array.from([1.5, -2, NaN]) }, b: [{ shape: [1, 2], values: Int32Array.from([-7, 9]) }], c: { shape: [1], values: Uint16Array.from([65535]) }, d: { shape: [1], values: Uint8Array.from([255]) } });
    expect(bytes).toBe(12 + 8 + 2 + 1);
  });

  it("of the wrong size are an error", () => {
    expect(() => decodeAll(encoded(new Float32Array(3), "f32", [2, 2]))).toThrow("[2, 2] has 3 values");
  });

  it("leave names such as __proto__ as names", () => {
    const { value } = decodeAll(JSON.parse('{"__proto__": {"x": 1}, "constructor": "c"}'));
    expect(Object.keys(value as object)).toEqual(["__proto__", "constructor"]);
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

describe("the library", () => {
  const floats = (n: number) => encoded(new Float32Array(n), "f32", [n]);
  const make = (budget: number) => {
    const asked: string[] = [];
    const own = new Library((name, receive, fail) => {
      asked.push(name);
      if (name === "gone") fail("gone");
      else queueMicrotask(() => receive(name, floats(100)));
    }, budget);
    return { own, asked };
  };

  it("asks for each file once", async () => {
    const { own, asked } = make(1e9);
    await Promise.all([own.load("a"), own.load("a"), own.load("b")]);
    await own.load("a");
    expect(asked).toEqual(["a", "b"]);
    expect(own.bytes).toBe(800);
  });

  it("drops what was unused for longest beyond its budget, but nothing that is shown", async () => {
    const { own, asked } = make(900);
    const drop = own.hold("a");
    await own.load("a");
    await own.load("b");
    await own.load("c");
    expect(own.names).toEqual(["a", "c"]);
    drop();
    await own.load("d");
    expect(own.names.length).toBe(2);
    await own.load("a");
    expect(asked.filter((name) => name === "b").length).toBe(1);
    expect(own.bytes).toBeLessThanOrEqual(900);
  });

  it("says what failed, and what there is not", async () => {
    const { own } = make(900);
    expect(await own.load("gone")).toBeUndefined();
    expect(own.get("gone").value).toEqual({ state: "failed", why: "gone" });
    expect(own.get(undefined).value).toEqual({ state: "absent" });
  });
});

describe("what is taken away", () => {
  it("is CSV that a reader of CSV understands", () => {
    expect(csv(["a", "b"], [[1, 'say "x", y'], [null, "line\nbreak"], [NaN, true]])).toBe('a,b\n1,"say ""x"", y"\n,"line\nbreak"\n,true\n');
  });

  it("has names that any disk takes", () => {
    expect(fileName("../../etc/pass wd: <x>")).toBe("etc-pass-wd-x-");
  });
});

describe("numbers and names", () => {
  it("are short and have a true minus", () => {
    expect([number(0.123456), number(-12345), number(0), number(NaN), number(-Infinity), signed(2), signed(-2)]).toEqual(["0.123", "−12,345", "0", "–", "−∞", "+2", "−2"]);
    expect(number(0.00012345)).toBe("0.00012");
    // As reports print it, with a space that no line parts.
    expect(percent(0.12)).toBe("12.0\u00a0%");
  });

  it("name methods as papers do", () => {
    expect(["canica", "fastica", "dictionary", "own"].map(methodName)).toEqual(["CanICA", "FastICA", "dictionary learning", "own"]);
  });

  it("name units and sizes", () => {
    expect([unitName("neurons", 21, 4711), unitName("heads", 3, 7), unitName("block_output", 0, 5)]).toEqual(["L21 N4711", "L3 H7", "L0 D5"]);
    expect([unitName("experts", 2, 12), unitName("router", 0, 3)]).toEqual(["L2 E12", "L0 R3"]);
    expect([selName("positive-0.1pct"), selName("negative-5.0pct"), selName("other")]).toEqual(["highest 0.1 %", "lowest 5 %", "other"]);
  });
});
