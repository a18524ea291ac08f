package org.loupe.lm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;

class Smollm2Test {
    @Test
    void generates() {
        try (LanguageModel model = Smollm2.load(Precision.F32)) {
            int[] hello = model.tokenizer().encode("Hello world, the cat.");
            assertArrayEquals(new int[] {19556, 905, 28, 260, 2644, 30}, hello);
            int[] out = model.generate(model.tokenizer().encode("The capital of France is"), 20, Map.of());
            String text = model.tokenizer().decode(out);
            assertTrue(text.startsWith(" Paris."), text);
        }
    }
}
