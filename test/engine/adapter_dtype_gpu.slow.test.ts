// Adapters in half precision, in int8 and in 4 bits on the GPU.

import { COMPRESSED, lossStaysNear, NARROW } from "./adapter_dtype.ts";
import { compressedBesidePlain } from "./compressed_case.ts";
import { onEachHost } from "./each_device.ts";

for (const dtype of NARROW) {
  onEachHost(
    `${dtype}: the loss of nano's texts stays within the bound of PEFT's`,
    (device) => lossStaysNear(dtype, device),
    ["gpu"],
  );
}

for (const [dtype, tolerance] of COMPRESSED) {
  onEachHost(
    `${dtype}: compressed adapters beside plain ones`,
    (device) => compressedBesidePlain(device, dtype, tolerance),
    ["gpu"],
  );
}
