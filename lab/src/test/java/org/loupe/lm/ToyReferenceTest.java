package org.loupe.lm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.loupe.io.Safetensors;

/** Every hook point and the logits of a toy Llama against HuggingFace transformers. */
class ToyReferenceTest {
    @TempDir
    Path folder;

    @Test
    void everyHookPointEqualsTransformers() {
        check(ToyModel.write(folder));
    }

    @Test
    void shardedWeightsAreTheSameModel() {
        check(ToyModel.writeSharded(folder));
    }

    private static void check(ModelFiles files) {
        try (LanguageModel model = LanguageModel.load(files, Precision.F32, 1);
                Safetensors expected = Safetensors.open(Reference.file("toy.safetensors"));
                PointerScope _ = new PointerScope()) {
            int[] ids = expected.entry("ids").ints();
            TokenBatch batch = TokenBatch.causal(ids, 2, 40);
            Map<String, float[]> seen = new HashMap<>();
            Map<HookPoint, Hook> hooks = new HashMap<>();
            for (HookPoint point : model.hookPoints()) {
                hooks.put(point, (_, rows) -> {
                    seen.put(point.toString(), Tensors.floats(rows));
                    return rows;
                });
            }
            seen.put("logits", Tensors.floats(model.logits(batch, hooks)));
            assertEquals(1 + 3 * 9 + 1, seen.size());
            seen.forEach((name, values) -> {
                int width = values.length / batch.size();
                float[] kept = new float[values.length / 5];
                for (int i = 0; i < batch.size(); i += 5) {
                    System.arraycopy(values, i * width, kept, i / 5 * width, width);
                }
                Reference.Difference difference = Reference.difference(expected.entry(name), kept);
                assertTrue(difference.ofRow() < 1e-5, name + ": " + difference);
            });
        }
    }
}
