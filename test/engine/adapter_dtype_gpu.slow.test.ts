// Adapters in half precision and in int8 on the GPU.

import { lossStaysNear, NARROW } from "./adapter_dtype.ts";
import { compressedBesidePlain } from "./compressed_case.ts";
import { onEachHost } from "./each_device.ts";

for (const dtype of NARROW) {
  onEachHost(
    `${dtype}: the loss of nano's texts stays within the bound of PEFT's`,
    (device) => lossStaysNear(dtype, device),
    ["gpu"],
  );
  const tolerance = dtype === "f16" ? 1e-2 : 0.2;
  onEachHost(
    `${dtype}: compressed adapters beside plain ones`,
    (device) => compressedBesidePlain(device, dtype, tolerance),
    ["gpu"],
  );
}
