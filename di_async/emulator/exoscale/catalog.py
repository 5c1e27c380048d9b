"""What the emulated Exoscale offers: zones, GPU families, engine parameters.

Zones are the vendor's; which GPU is where, and sizes, are ours.
"""

ZONES = (
    "ch-gva-2", "at-vie-1", "at-vie-2", "bg-sof-1", "ch-dk-2", "de-fra-1", "de-muc-1", "hr-zag-1",
)  # fmt: skip
DEFAULT_ZONE = ZONES[0]

# Family and whether the organisation may use it.
FAMILIES = {"gpua5000": True, "gpu3080ti": True, "gpurtx6000pro": False}
GPUS = dict.fromkeys(ZONES, FAMILIES) | {"bg-sof-1": {}}

# The vendor's current default; `engine_version=` of the emulator sets another.
ENGINE_VERSION = "0.28.0"
ORGANISATION = "6f1c6a5e-2f7b-4b52-9c3e-1d7c2f0a9b11"
SERVICE_LEVEL = "standard"
MODEL_SIZE = 14_483_464_192

# Gated weights: without a Hugging Face token their download fails.
GATED = ("meta-llama/", "google/gemma")

PARAMETERS = (
    {
        "name": "max-model-len",
        "flags": ["--max-model-len"],
        "type": "integer",
        "section": "ModelConfig",
        "description": "Longest context, in tokens.",
        "default": "",
        "allowed-values": [],
    },
    {
        "name": "dtype",
        "flags": ["--dtype"],
        "type": "string",
        "section": "ModelConfig",
        "description": "Number format of the weights.",
        "default": "auto",
        "allowed-values": ["auto", "bfloat16", "float16", "float32"],
    },
)
