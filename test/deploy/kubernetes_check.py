"""What test/deploy/kubernetes.slow.test.ts runs in a Python with kubernetes-validate: each manifest against its schema.

Those of the gateway's extension and of Prometheus' operator are no part of Kubernetes: their required fields stand here.
"""

import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
LABELS = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}
SELECTOR = {"type": "object", "required": ["matchLabels"], "properties": {"matchLabels": LABELS}}
PORT = {"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}}


def spec(required: list[str], **properties) -> dict:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def items(of: dict) -> dict:
    return {"type": "array", "minItems": 1, "items": of}


CUSTOM = {
    "InferencePool": spec(
        ["selector", "targetPorts", "endpointPickerRef"],
        selector=SELECTOR,
        targetPorts=items(PORT),
        endpointPickerRef=spec(
            ["name", "port"], name={"type": "string"}, port=PORT, failureMode={"enum": ["FailOpen", "FailClose"]}
        ),
    ),
    "PodMonitor": spec(
        ["selector", "podMetricsEndpoints"],
        selector=SELECTOR,
        podMetricsEndpoints=items(
            spec(["port"], port={"type": "string"}, path={"type": "string"}, interval={"type": "string"})
        ),
    ),
    "HTTPRoute": spec(
        ["parentRefs", "rules"],
        parentRefs=items(spec(["name"], name={"type": "string"})),
        rules=items({"type": "object", "required": ["backendRefs"]}),
    ),
}


def main():
    objects = [each for path in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]
    for each in objects:
        if each["kind"] in CUSTOM:
            jsonschema.validate(each["spec"], CUSTOM[each["kind"]])
        elif each["kind"] != "Kustomization":
            kubernetes_validate.validate(each, "1.30", strict=True)
        print(each["kind"])
    wrong = next(each for each in objects if each["kind"] == "Deployment")
    wrong["spec"]["template"]["spec"]["contaners"] = []
    try:
        kubernetes_validate.validate(wrong, "1.30", strict=True)
        sys.exit("a field that does not exist was not found")
    except kubernetes_validate.ValidationError:
        pass


main()
