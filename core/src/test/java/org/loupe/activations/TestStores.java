package org.loupe.activations;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.tensor.Matrix;

/** Small stores for tests: row r belongs to document r / 5, at position 1 + r % 5, with token r. */
public final class TestStores {
    static final Provenance PROVENANCE = Provenance.here("toy", "00ff", "made up", "blocks.1.hook_resid_post", 7);

    private TestStores() {}

    public static Matrix random(int rows, int width, long seed) {
        Random random = new Random(seed);
        Matrix m = Matrix.zeros(rows, width);
        for (int i = 0; i < rows * width; i++) {
            m.data()[i] = (float) random.nextGaussian();
        }
        return m;
    }

    /** Writes the rows as shards of these sizes. */
    public static StoreInfo write(Path folder, Matrix rows, Dtype dtype, int... shardRows) {
        return write(folder, rows, null, dtype, shardRows);
    }

    /** Writes the rows and their gradients as shards of these sizes. */
    public static StoreInfo write(Path folder, Matrix rows, @Nullable Matrix gradients, Dtype dtype, int... shardRows) {
        List<StoreInfo.Shard> shards = new ArrayList<>();
        int from = 0;
        for (int n : shardRows) {
            int[] token = new int[n];
            int[] position = new int[n];
            int[] document = new int[n];
            for (int i = 0; i < n; i++) {
                token[i] = from + i;
                position[i] = 1 + (from + i) % 5;
                document[i] = (from + i) / 5;
            }
            shards.add(StoreWriter.writeShard(
                    folder,
                    shards.size(),
                    dtype,
                    new StoreWriter.Rows(
                            slice(rows, from, n),
                            token,
                            position,
                            document,
                            null,
                            gradients == null ? null : slice(gradients, from, n))));
            from += n;
        }
        List<DocumentTable.Document> documents = new ArrayList<>();
        for (int d = 0; d <= from / 5; d++) {
            int[] tokens = {5 * d, 5 * d + 1, 5 * d + 2, 5 * d + 3, 5 * d + 4};
            documents.add(new DocumentTable.Document("text \"" + d + "\"\nä", d % 2 == 0 ? "noun.animal" : "", tokens));
        }
        DocumentTable.write(folder.resolve(DocumentTable.FILE), documents.iterator());
        StoreInfo info = new StoreInfo(
                PROVENANCE,
                rows.cols(),
                dtype,
                from,
                List.of(1),
                12.5,
                Map.of("first position", 3L),
                Map.of("context", "128"),
                DocumentTable.FILE,
                5,
                shards,
                List.of(new StoreInfo.Part(PROVENANCE.hook(), rows.cols(), 12.5)),
                null,
                gradients == null ? null : GradientLoss.KL);
        StoreWriter.finish(folder, info);
        return info;
    }

    private static Matrix slice(Matrix rows, int from, int count) {
        Matrix out = Matrix.zeros(count, rows.cols());
        System.arraycopy(rows.data(), rows.offset(from), out.data(), 0, count * rows.cols());
        return out;
    }
}
