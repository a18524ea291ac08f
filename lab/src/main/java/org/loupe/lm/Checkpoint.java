package org.loupe.lm;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.function.BiFunction;
import org.loupe.io.BadInput;

/** A model's files, opened: its architecture, its weights in HuggingFace's layout, its tokenizer. */
interface Checkpoint extends AutoCloseable {
    /** Opens a GGUF file or a HuggingFace folder. */
    static Checkpoint open(ModelFiles files) {
        return Files.isDirectory(files.path()) ? HfCheckpoint.open(files.path()) : GgufCheckpoint.open(files.path());
    }

    Architecture architecture();

    /**
     * The elements of a weight, row-major, of shape {@link Architecture#shape}; query and key rows in the order in which
     * rotary pairs lie half a head apart. NaN and infinity are refused.
     */
    float[] weight(Weight weight, int block);

    /** Hash of the weights. */
    String sha256();

    Tokenizer tokenizer();

    @Override
    void close();

    /** Throws if any element is not finite. */
    static float[] requireFinite(Path file, String tensor, float[] values) {
        for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
                throw BadInput.in(file, "tensor '" + tensor + "' holds " + values[i] + " at element " + i);
            }
        }
        return values;
    }

    /** Throws unless a checkpoint has exactly the tensors that the transformer uses. */
    static void requireTensors(
            Path file, Architecture architecture, Set<String> present, BiFunction<Weight, Integer, String> name) {
        Set<String> wanted = new HashSet<>();
        for (Weight weight : Weight.values()) {
            for (int block = 0; block < (weight.inBlock() ? architecture.layers() : 1); block++) {
                if (weight == Weight.UNEMBED && architecture.tied()) {
                    continue;
                }
                String tensor = name.apply(weight, block);
                if (!present.contains(tensor)) { // before the next: a damaged number of layers may be any
                    throw BadInput.in(file, "tensor '" + tensor + "' is missing");
                }
                wanted.add(tensor);
            }
        }
        for (String tensor : present) {
            boolean unused = tensor.endsWith("rotary_emb.inv_freq")
                    || (architecture.tied() && tensor.equals(name.apply(Weight.UNEMBED, 0)));
            if (!wanted.contains(tensor) && !unused) {
                throw BadInput.in(
                        file,
                        "tensor '" + tensor + "' has no place in a " + architecture.family() + " model of "
                                + architecture.layers() + " layers");
            }
        }
    }
}
