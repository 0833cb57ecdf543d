"""Models of transformers that read the weight of a linear layer without calling the layer.

Found by a search of the modeling files of transformers 5.24 for such reads. The names of classes
are those of the parents of the layers.
"""

from __future__ import annotations

from torch import nn

_Table = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

# The parent computes with the weight itself, always or, as Mamba's kernels for GPUs, sometimes:
# the model would train and compute with floats there.
_READ_VALUES: _Table = (
    (("MambaMixer", "FalconMambaMixer"), ("dt_proj", "x_proj", "out_proj")),
    (("JambaMambaMixer",), ("dt_proj",)),
    (
        ("Mamba2Mixer", "BambaMixer", "FalconH1Mixer", "GraniteMoeHybridMambaLayer",
         "NemotronHMamba2Mixer", "Zamba2MambaMixer"),
        ("out_proj",),
    ),
    (
        ("DetrMHAttentionMap", "ConditionalDetrMHAttentionMap", "MaskFormerDetrMHAttentionMap"),
        ("k_proj",),
    ),
    (("DabDetrMHAttentionMap",), ("k_linear",)),
    (("TDNNLayer",), ("kernel",)),
    (("DisentangledSelfAttention",), ("in_proj",)),
    (("Gemma3nTextAltUp",), ("correction_coefs", "prediction_coefs")),
    (("Gemma4AssistantForCausalLM", "Gemma4UnifiedAssistantForCausalLM"), ("lm_head",)),
    (
        ("LayoutLMv2Encoder", "LayoutLMv3Encoder", "PPDocLayoutV2ReadingOrderEncoder"),
        ("rel_pos_bias", "rel_pos_x_bias", "rel_pos_y_bias"),
    ),
    (("LongcatFlashTopkRouter",), ("classifier",)),
    (("MobileBertLMPredictionHead",), ("decoder", "dense")),
    (("NeoMMEForMaskedLM",), ("unembedding_projection",)),
    (("LSHSelfAttention",), ("query_key", "value")),
    (("WavLMAttention",), ("q_proj", "k_proj", "v_proj", "out_proj")),
    # Rwkv divides them in place when it is evaluated.
    (("RwkvSelfAttention",), ("output",)),
    (("RwkvFeedForward",), ("value",)),
)

# The parent gives the input the type of the weight. That of packed codes is int8; parents that ask
# whether it is, or whether it is one of floats, are not among these.
_READ_TYPES: _Table = (
    (
        ("AXK2Indexer", "DeepseekV32Indexer", "Dots3NoteTextIndexer", "Glm5NextTextIndexer",
         "GlmMoeDsaIndexer", "HYV4Indexer", "HYV4VLIndexer", "MistralLarge4TextIndexer"),
        ("weights_proj",),
    ),
    (
        ("FalconMambaForCausalLM", "HYV4ForCausalLM", "HYV4VLForConditionalGeneration",
         "Mamba2ForCausalLM", "MambaForCausalLM", "xLSTMForCausalLM"),
        ("lm_head",),
    ),
    (("Blip2TextModelWithProjection",), ("text_projection",)),
    (("Blip2VisionModelWithProjection",), ("vision_projection",)),
    (("Blip2ForImageTextRetrieval",), ("itm_head", "vision_projection", "text_projection")),
    (
        ("ColModernVBertForRetrieval", "ColPaliForRetrieval", "ColQwen2ForRetrieval"),
        ("embedding_proj_layer",),
    ),
    (
        ("Cosmos3EdgeVisionEmbeddings", "MuseGlimmerVisionPatchEmbedder",
         "MuseSparkVisionPatchEmbedder", "Siglip2VisionEmbeddings"),
        ("patch_embedding",),
    ),
    (("Ernie4_5_VLMoePatchEmbed", "JevForDecision", "NeoMMEMultiVectorHead"), ("proj",)),
    (("EsmFold2AtomEncoder",), ("atom_linear",)),
    (("EsmFold2DiffusionConditioning",), ("pair_proj", "noise_proj")),
    (("EsmFold2DiffusionModule",), ("coords_linear",)),
    (("EsmFold2RelativePositionEncoding", "EsmFold2MSAEncoder"), ("embed",)),
    (("EsmFold2LanguageModelEncoder",), ("pair_proj",)),
    (("EsmFold2ConfidenceHead",), ("pae_head",)),
    (("EsmFold2InputEmbedder",), ("token_bonds",)),
    (("EsmFold2Model",), ("distogram_head",)),
    (("GradiumPhononTTSModel", "PocketTTSModel"), ("audio_latent_proj", "audio_prompt_proj")),
    (("GraniteSpeech5Encoder",), ("input_linear",)),
    (("Inkling2LoopMessageGate",), ("down_proj",)),
    (
        ("UniSpeechForPreTraining", "Wav2Vec2ConformerForPreTraining", "Wav2Vec2ForPreTraining"),
        ("project_q",),
    ),
)


def _flat(table: _Table) -> dict[str, tuple[str, ...]]:
    return {parent: children for parents, children in table for parent in parents}


_VALUES, _TYPES = _flat(_READ_VALUES), _flat(_READ_TYPES)


def how_read(parent: nn.Module, child: str) -> str | None:
    """What a parent does with the weight of a layer of this name; None if it only calls it."""
    # Subclasses do it too.
    for name in (base.__name__ for base in type(parent).__mro__):
        if child in _VALUES.get(name, ()):
            return f"{type(parent).__name__} reads its weight without calling it"
        if child in _TYPES.get(name, ()):
            return (
                f"{type(parent).__name__} gives its input the type of its weight, which is int8 "
                "once it is packed"
            )
    if child in ("dense", "dense_4h_to_h") and getattr(parent, "slow_but_exact", False) and (
        getattr(parent, "pretraining_tp", 1) > 1
    ):
        return f"{type(parent).__name__} reads its weight in parts without calling it"
    return None
