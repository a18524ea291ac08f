package org.loupe.lm;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A family of checkpoints: how the weights of the one {@link Transformer} are called in its files. A {@code %d} stands for the
 * block.
 *
 * @param name {@code general.architecture} of its GGUF files
 * @param classes {@code architectures} of its HuggingFace config.json
 * @param gguf tensor names in GGUF
 * @param hf tensor names in safetensors
 */
record Family(String name, List<String> classes, Map<Weight, String> gguf, Map<Weight, String> hf) {
    /** Llama, and what has its layout: SmolLM2, TinyLlama, Mistral. */
    static final Family LLAMA = new Family(
            "llama",
            List.of("LlamaForCausalLM", "MistralForCausalLM"),
            Map.ofEntries(
                    Map.entry(Weight.EMBED, "token_embd.weight"),
                    Map.entry(Weight.ATTENTION_NORM, "blk.%d.attn_norm.weight"),
                    Map.entry(Weight.QUERY, "blk.%d.attn_q.weight"),
                    Map.entry(Weight.KEY, "blk.%d.attn_k.weight"),
                    Map.entry(Weight.VALUE, "blk.%d.attn_v.weight"),
                    Map.entry(Weight.ATTENTION_OUT, "blk.%d.attn_output.weight"),
                    Map.entry(Weight.MLP_NORM, "blk.%d.ffn_norm.weight"),
                    Map.entry(Weight.GATE, "blk.%d.ffn_gate.weight"),
                    Map.entry(Weight.UP, "blk.%d.ffn_up.weight"),
                    Map.entry(Weight.DOWN, "blk.%d.ffn_down.weight"),
                    Map.entry(Weight.FINAL_NORM, "output_norm.weight"),
                    Map.entry(Weight.UNEMBED, "output.weight")),
            Map.ofEntries(
                    Map.entry(Weight.EMBED, "model.embed_tokens.weight"),
                    Map.entry(Weight.ATTENTION_NORM, "model.layers.%d.input_layernorm.weight"),
                    Map.entry(Weight.QUERY, "model.layers.%d.self_attn.q_proj.weight"),
                    Map.entry(Weight.KEY, "model.layers.%d.self_attn.k_proj.weight"),
                    Map.entry(Weight.VALUE, "model.layers.%d.self_attn.v_proj.weight"),
                    Map.entry(Weight.ATTENTION_OUT, "model.layers.%d.self_attn.o_proj.weight"),
                    Map.entry(Weight.MLP_NORM, "model.layers.%d.post_attention_layernorm.weight"),
                    Map.entry(Weight.GATE, "model.layers.%d.mlp.gate_proj.weight"),
                    Map.entry(Weight.UP, "model.layers.%d.mlp.up_proj.weight"),
                    Map.entry(Weight.DOWN, "model.layers.%d.mlp.down_proj.weight"),
                    Map.entry(Weight.FINAL_NORM, "model.norm.weight"),
                    Map.entry(Weight.UNEMBED, "lm_head.weight")));

    static final List<Family> ALL = List.of(LLAMA);

    String ggufName(Weight weight, int block) {
        return nameIn(gguf, weight, block);
    }

    String hfName(Weight weight, int block) {
        return nameIn(hf, weight, block);
    }

    private static String nameIn(Map<Weight, String> names, Weight weight, int block) {
        String name = names.get(weight);
        if (name == null) {
            throw new IllegalStateException("a family without a name for " + weight);
        }
        return weight.inBlock() ? String.format(Locale.ROOT, name, block) : name;
    }
}
