package org.loupe.lm;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.io.Sha256;

/** A checkpoint in a GGUF file. */
final class GgufCheckpoint implements Checkpoint {
    private final Gguf gguf;
    private final Family family;
    private final Architecture architecture;

    private GgufCheckpoint(Gguf gguf, Family family, Architecture architecture) {
        this.gguf = gguf;
        this.family = family;
        this.architecture = architecture;
    }

    static GgufCheckpoint open(Path file) {
        Gguf gguf = Gguf.open(file);
        try {
            String name = gguf.text("general.architecture", null);
            Family family = Family.ALL.stream()
                    .filter(f -> f.name().equals(name))
                    .findFirst()
                    .orElseThrow(() -> BadInput.unknown(
                            "architecture of " + file,
                            name,
                            Family.ALL.stream().map(Family::name).toList()));
            Architecture architecture = architecture(gguf, family);
            Checkpoint.requireTensors(file, architecture, gguf.tensors().keySet(), family::ggufName);
            return new GgufCheckpoint(gguf, family, architecture);
        } catch (RuntimeException e) {
            gguf.close();
            throw e;
        }
    }

    private static Architecture architecture(Gguf gguf, Family family) {
        String prefix = family.name() + ".";
        int width = size(gguf, prefix + "embedding_length", null);
        int heads = size(gguf, prefix + "attention.head_count", null);
        int headWidth = size(gguf, prefix + "attention.key_length", (long) width / Math.max(1, heads));
        String scaling = gguf.text(prefix + "rope.scaling.type", "none");
        if (!scaling.equals("none")) {
            throw BadInput.in(gguf.file(), "rope scaling '" + scaling + "' is not supported");
        }
        if (size(gguf, prefix + "rope.dimension_count", (long) headWidth) != headWidth
                || size(gguf, prefix + "attention.value_length", (long) headWidth) != headWidth) {
            throw BadInput.in(
                    gguf.file(),
                    "rotary or value width differs from the head width " + headWidth + ", which is not supported");
        }
        Gguf.TensorInfo embed = tensor(gguf, family.ggufName(Weight.EMBED, 0));
        return new Architecture(
                        family.name(),
                        size(gguf, prefix + "block_count", null),
                        width,
                        heads,
                        size(gguf, prefix + "attention.head_count_kv", (long) heads),
                        headWidth,
                        size(gguf, prefix + "feed_forward_length", null),
                        Math.toIntExact(
                                Math.min(Integer.MAX_VALUE, embed.shape().getFirst())),
                        size(gguf, prefix + "context_length", null),
                        gguf.real(prefix + "attention.layer_norm_rms_epsilon", null),
                        gguf.real(prefix + "rope.freq_base", 10_000.0),
                        !gguf.tensors().containsKey(family.ggufName(Weight.UNEMBED, 0)))
                .check(gguf.file());
    }

    private static int size(Gguf gguf, String key, @Nullable Long fallback) {
        long value = gguf.whole(key, fallback);
        if (value < 0 || value > Integer.MAX_VALUE) {
            throw BadInput.in(gguf.file(), "metadata '" + key + "' is " + value);
        }
        return (int) value;
    }

    private static Gguf.TensorInfo tensor(Gguf gguf, String name) {
        Gguf.TensorInfo tensor = gguf.tensors().get(name);
        if (tensor == null || tensor.shape().isEmpty()) {
            throw BadInput.in(gguf.file(), "tensor '" + name + "' is missing");
        }
        return tensor;
    }

    @Override
    public Architecture architecture() {
        return architecture;
    }

    @Override
    public float[] weight(Weight weight, int block) {
        Gguf.TensorInfo tensor = tensor(gguf, family.ggufName(weight, block));
        List<Long> expected = Arrays.stream(architecture.shape(weight)).boxed().toList();
        if (!tensor.shape().equals(expected)) {
            throw BadInput.at(
                    gguf.file(),
                    tensor.at(),
                    "tensor '" + tensor.name() + "' has shape " + tensor.shape() + ", expected " + expected);
        }
        float[] values = Checkpoint.requireFinite(
                gguf.file(), tensor.name(), tensor.type().floats(tensor.data()));
        return weight == Weight.QUERY || weight == Weight.KEY ? halvesApart(values) : values;
    }

    /**
     * GGUF's Llama files hold the two rows of a rotary pair next to each other, HuggingFace's half a head apart: row 2j + a of a
     * head goes to row a · (head width / 2) + j, a ∈ {0, 1}.
     */
    private float[] halvesApart(float[] rows) {
        int width = architecture.width();
        int head = architecture.headWidth();
        float[] out = new float[rows.length];
        for (int row = 0; row < rows.length / width; row++) {
            int inHead = row % head;
            int target = row - inHead + (inHead % 2) * (head / 2) + inHead / 2;
            System.arraycopy(rows, row * width, out, target * width, width);
        }
        return out;
    }

    @Override
    public String sha256() {
        return Sha256.of(gguf.file());
    }

    @Override
    public Tokenizer tokenizer() {
        return GgufTokenizer.build(gguf, architecture.vocabulary());
    }

    @Override
    public void close() {
        gguf.close();
    }
}
