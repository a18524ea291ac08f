package org.loupe.activations;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;

/** A damaged {@code store.json} or document table is read or refused with {@link BadInput}. */
class StoreInfoProperties {
    @Property(tries = 400)
    void changedBytes(@ForAll @Size(min = 1, max = 5) int[] places, @ForAll @Size(min = 5, max = 5) byte[] values)
            throws IOException {
        Path folder = Files.createTempDirectory("store");
        try {
            TestStores.write(folder, TestStores.random(6, 2, 4), Dtype.BF16, 4, 2);
            damage(folder.resolve(StoreInfo.FILE), places, values);
            damage(folder.resolve(DocumentTable.FILE), places, values);
            try (ActivationStore store = ActivationStore.open(folder)) {
                store.verify();
                DocumentTable documents = store.documents();
                for (long row = 0; row < store.rows(); row++) {
                    documents.get(store.document(row));
                }
            } catch (BadInput e) {
                assertTrue(String.valueOf(e.getMessage()).startsWith(folder.toString()), e.getMessage());
            }
        } finally {
            try (Stream<Path> files = Files.list(folder)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(folder);
        }
    }

    private static void damage(Path file, int[] places, byte[] values) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        for (int i = 0; i < places.length; i++) {
            bytes[Math.floorMod(places[i], bytes.length)] = values[i];
        }
        Files.write(file, bytes);
    }
}
