package org.loupe.lm;

import java.util.Arrays;

/**
 * What a language model is.
 *
 * @param name short name, or the file or folder it was read from
 * @param sha256 hash of the weights: of the GGUF file, or of the hashes of a folder's safetensors files in name order
 * @param family the checkpoint's architecture, such as {@code llama}
 * @param layers number of blocks
 * @param width width of the residual stream
 * @param heads query heads
 * @param kvHeads key and value heads
 * @param headWidth width of one head
 * @param mlpWidth inner width of the MLP
 * @param vocabulary number of token ids
 * @param context longest row the model was made for
 * @param parameters number of weights; tied embeddings count once
 */
public record ModelInfo(
        String name,
        String sha256,
        String family,
        int layers,
        int width,
        int heads,
        int kvHeads,
        int headWidth,
        int mlpWidth,
        int vocabulary,
        int context,
        long parameters) {
    static ModelInfo of(String name, String sha256, Architecture a) {
        long parameters = 0;
        for (Weight weight : Weight.values()) {
            if (weight != Weight.UNEMBED || !a.tied()) {
                long size = Arrays.stream(a.shape(weight)).reduce(1, (x, y) -> x * y);
                parameters += size * (weight.inBlock() ? a.layers() : 1);
            }
        }
        return new ModelInfo(
                name,
                sha256,
                a.family(),
                a.layers(),
                a.width(),
                a.heads(),
                a.kvHeads(),
                a.headWidth(),
                a.mlpWidth(),
                a.vocabulary(),
                a.context(),
                parameters);
    }
}
