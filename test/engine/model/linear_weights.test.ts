// Weights from stored rows to device planes: formats, joins, shards, refusals. Read back through what the bytes mean on a
// GPU; the CPU's panels hold the same rows in another order.

import assert from "node:assert/strict";
import { type Device, readView } from "../../../engine/device/device.ts";
import { freeLinear, type LinearWeights, uploadLinear } from "../../../engine/model/linear_weights.ts";
import { decodeFloat16 } from "../../../files/weights/stored/float16.ts";
import type { StoredType } from "../../../files/weights/stored/formats.ts";
import type { StoredTensor } from "../../../files/weights/tensor.ts";
import type { DeviceFormat } from "../../../shaders/formats/device_format.ts";
import { checkClose, onEachDevice } from "../../shaders/device.ts";
import { randomTensor, valuesOf } from "../../shaders/linear_case.ts";

/** What the planes stand for, element by element, as formats/*.wgsl read them. */
async function valuesOnDevice(device: Device, { cols, shards }: LinearWeights): Promise<number[]> {
  const values: number[] = [];
  for (const shard of shards) {
    const bytes = await readView(device, shard.quants);
    const scales = await readView(device, shard.scales);
    const valueAt = {
      f32: (i: number) => new Float32Array(bytes)[i],
      f16: (i: number) => decodeFloat16(new Uint16Array(bytes)[i]),
      q8_0: (i: number) => new Int8Array(bytes)[i] * new Float32Array(scales)[i >> 5],
      q4: (i: number) => {
        const [d, m] = new Uint16Array(scales).subarray(2 * (i >> 5)).subarray(0, 2);
        const byte = new Uint8Array(bytes)[16 * (i >> 5) + (i & 15)];
        return decodeFloat16(d) * (i & 16 ? byte >> 4 : byte & 15) + decodeFloat16(m);
      },
      q5: (i: number) => {
        const [d, m] = new Uint16Array(scales).subarray(4 * (i >> 5));
        const byte = new Uint8Array(bytes)[16 * (i >> 5) + (i & 15)];
        const fifth = (new Uint8Array(scales)[8 * (i >> 5) + 4 + (i & 3)] >> ((i >> 2) & 7)) & 1;
        return decodeFloat16(d) * ((i & 16 ? byte >> 4 : byte & 15) | (fifth << 4)) + decodeFloat16(m);
      },
      q4_k: (i: number) => {
        const at = 6 * (i >> 7);
        const [d, e] = new Uint16Array(scales).subarray(at, at + 2);
        const [s, m] = new Int8Array(scales).subarray(2 * at + 4 + 2 * ((i >> 5) & 3));
        const byte = new Uint8Array(bytes)[16 * (i >> 5) + (i & 15)];
        return decodeFloat16(d) * s * (i & 16 ? byte >> 4 : byte & 15) + decodeFloat16(e) * m;
      },
      q6_k: (i: number) => {
        const at = 10 * (i >> 7);
        const [d, e] = new Uint16Array(scales).subarray(at, at + 2);
        const [s, m] = new Int8Array(scales).subarray(2 * at + 4 + 2 * ((i >> 4) & 7));
        const group = new Uint8Array(bytes).subarray(12 * (i >> 4));
        const row = (i >> 2) & 3;
        const low = (group[4 * (row & 1) + (i & 3)] >> (row < 2 ? 0 : 4)) & 15;
        const code = low | (((group[8 + (i & 3)] >> (2 * row)) & 3) << 4);
        return decodeFloat16(d) * s * code + decodeFloat16(e) * m;
      },
    }[shard.format];
    for (let i = 0; i < shard.rows * cols; i++) values.push(valueAt(i));
  }
  return values;
}

function formatsOf({ shards }: LinearWeights): DeviceFormat[] {
  return shards.map(({ format }) => format);
}

/** A dense f32 tensor of given values. */
function tensorOf(name: string, cols: number, values: readonly number[]): StoredTensor {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return {
    name,
    type: "f32",
    shape: [values.length / cols, cols],
    bytes: bytes.length,
    readRows: async (from, to) => bytes.subarray(from * cols * 4, to * cols * 4),
  };
}

const KEPT: [StoredType[], DeviceFormat[]][] = [
  [["f32", "f32"], ["f32"]],
  [["f16"], ["f16"]],
  [["q8_0", "q8_0", "q8_0"], ["q8_0"]],
  [["q4_0", "q4_1"], ["q4"]],
  [["q5_0", "q5_1"], ["q5"]],
  [
    ["f16", "q8_0"],
    ["f16", "q8_0"],
  ],
  [
    ["q4_k", "q4_k", "q6_k"],
    ["q4_k", "q6_k"],
  ],
  [
    ["q2_k", "q3_k", "q5_k", "q6_k", "q4_k"],
    ["q6_k", "q4_k"],
  ],
];

for (const [types, formats] of KEPT) {
  onEachDevice(
    `auto holds ${types.join(" + ")} as ${formats.join(" + ")}, without loss`,
    async (device) => {
      const parts = types.map((type, i) => randomTensor(type, 3 + i, 256, i));
      let read = 0;
      const onBytes = (bytes: number) => {
        read += bytes;
      };
      const weights = await uploadLinear(device, parts, "auto", { onBytes });
      assert.deepEqual(formatsOf(weights), formats);
      assert.deepEqual([weights.rows, weights.cols], [parts.reduce((sum, { shape }) => sum + shape[0], 0), 256]);
      // q4's d·q + m, and that of q5, q4_k and q6_k, is rounded to f32 once where the reference rounds it
      checkClose(await valuesOnDevice(device, weights), await valuesOf(parts), 2 ** -23);
      assert.equal(
        read,
        parts.reduce((sum, { bytes }) => sum + bytes, 0),
      );
      freeLinear(device, weights);
      assert.equal(device.bytes, 0);
    },
    ["gpu"],
  );
}

onEachDevice(
  "matrices that must be together are held as f32 where their formats differ",
  async (device) => {
    const parts = [randomTensor("q4_k", 8, 256, 1), randomTensor("q6_k", 8, 256, 2)];
    const weights = await uploadLinear(device, parts, "auto", { together: true });
    assert.deepEqual(formatsOf(weights), ["f32"]);
    checkClose(await valuesOnDevice(device, weights), await valuesOf(parts), 0);
  },
  ["gpu"],
);

onEachDevice(
  "bf16 becomes f16, rounded to half precision; q8_0 quantises dense weights; f32 widens quantised ones",
  async (device) => {
    for (const [type, dtype, format, tolerance] of [
      ["bf16", "auto", "f16", 2 ** -11],
      ["f32", "f16", "f16", 2 ** -11],
      ["f32", "q8_0", "q8_0", 0.51 / 127],
      ["f32", "q4_0", "q4", 1.01 / 8],
      ["q4_1", "f32", "f32", 0],
      ["q4_1", "q8_0", "q4", 2 ** -23],
    ] as const) {
      const part = randomTensor(type, 5, 64, 9);
      const weights = await uploadLinear(device, [part], dtype);
      assert.deepEqual(formatsOf(weights), [format], `${type} as ${dtype}`);
      checkClose(await valuesOnDevice(device, weights), await valuesOf([part]), tolerance);
    }
  },
  ["gpu"],
);

onEachDevice(
  "columns that do not fill a block, and values beyond half precision, are held as f32",
  async (device) => {
    const narrow = await uploadLinear(device, [randomTensor("f32", 2, 36, 1)], "q8_0");
    assert.deepEqual(formatsOf(narrow), ["f32"]);
    const large = tensorOf("large", 8, [1, 2, 3, 4, 5, 6, 7, 65520]);
    const weights = await uploadLinear(device, [large], "f16");
    assert.deepEqual(formatsOf(weights), ["f32"]);
    assert.deepEqual(await valuesOnDevice(device, weights), [1, 2, 3, 4, 5, 6, 7, 65520]);
  },
  ["gpu"],
);

onEachDevice(
  "rows beyond one binding go to shards, and chunks of reads fall across them",
  async (device) => {
    const cols = 1024;
    const small = withViewBytes(device, 5 * 64 * cols * 4);
    const parts = [randomTensor("f32", 700, cols, 1), randomTensor("f32", 800, cols, 2)];
    const weights = await uploadLinear(small, parts, "auto");
    assert.deepEqual(
      weights.shards.map(({ firstRow, rows }) => [firstRow, rows]),
      [0, 320, 640, 960, 1280].map((first) => [first, Math.min(320, 1500 - first)]),
    );
    const expected = await valuesOf(parts);
    for (const { quants, firstRow, rows } of weights.shards) {
      const actual = new Float32Array(await readView(device, quants), 0, rows * cols);
      assert.ok(Buffer.from(actual.buffer).equals(Buffer.from(expected.buffer, firstRow * cols * 4, rows * cols * 4)));
    }
  },
  ["gpu"],
);

onEachDevice(
  "a NaN, an infinity, unequal columns and odd shapes are refused, and leave nothing on the device",
  async (device) => {
    const whole = randomTensor("f32", 4, 64, 1);
    const cases: [StoredTensor[], string][] = [
      [
        [
          whole,
          tensorOf(
            "bad",
            64,
            Array.from({ length: 64 }, (_, i) => (i === 40 ? Number.NaN : 1)),
          ),
        ],
        "tensor_not_finite",
      ],
      [[tensorOf("bad", 4, [1, 2, Number.POSITIVE_INFINITY, 4])], "tensor_not_finite"],
      [[whole, randomTensor("f32", 4, 32, 2)], "tensor_shape"],
      [[randomTensor("f32", 4, 6, 2)], "tensor_shape"],
      [[{ ...whole, shape: [256] }], "tensor_shape"],
    ];
    for (const [parts, code] of cases) {
      await assert.rejects(uploadLinear(device, parts, "auto"), { code });
      assert.equal(device.bytes, 0);
    }
  },
);

/** The device as one that binds at most `viewBytes` bytes. */
function withViewBytes(device: Device, viewBytes: number): Device {
  return new Proxy(device, {
    get(real, key) {
      if (key === "limits") return { viewBytes };
      const value: unknown = Reflect.get(real, key, real);
      return typeof value === "function" ? value.bind(real) : value;
    },
  });
}
