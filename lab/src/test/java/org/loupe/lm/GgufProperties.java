package org.loupe.lm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.loupe.io.BadInput;

/** A damaged GGUF file is read or refused; it never ends in any other way. */
class GgufProperties {
    @Property(tries = 1500)
    void damageIsReadOrRefused(@ForAll long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        byte[] bytes = ToyGguf.writer().bytes();
        if (random.nextInt(3) == 0) {
            bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
        }
        // Most of the file is data, where damage is harmless; the header is where it matters.
        int header = Math.max(1, Math.min(bytes.length, ToyGguf.HEADER_BYTES));
        for (int i = random.nextInt(1, 6); i > 0 && bytes.length > 0; i--) {
            int at = random.nextInt(4) == 0 ? random.nextInt(bytes.length) : random.nextInt(header);
            bytes[at] = random.nextBoolean()
                    ? (byte) (bytes[at] ^ (1 << random.nextInt(8)))
                    : (byte) (random.nextBoolean() ? 0xFF : random.nextInt(256));
        }
        Path file = Files.createTempFile("damaged", ".gguf");
        try {
            Files.write(file, bytes);
            open(file);
        } finally {
            Files.delete(file);
        }
    }

    private static void open(Path file) {
        try (GgufCheckpoint checkpoint = GgufCheckpoint.open(file)) {
            for (Weight weight : Weight.values()) {
                if (weight != Weight.UNEMBED || !checkpoint.architecture().tied()) {
                    checkpoint.weight(weight, 0);
                }
            }
            checkpoint.tokenizer().close();
        } catch (BadInput refused) {
            if (refused.getMessage() == null || !refused.getMessage().contains(".gguf")) {
                throw new AssertionError("a refusal that does not name the file", refused);
            }
        }
    }
}
