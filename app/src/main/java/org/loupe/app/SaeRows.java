package org.loupe.app;

import java.nio.file.Path;
import org.loupe.activations.SafetensorsRows;
import org.loupe.io.BadInput;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Matrix;

/** Reading rows for an SAE, with the refusals that both directions share. */
final class SaeRows {
    private SaeRows() {}

    /** All rows of a tensor, refused unless they have the width that the SAE reads. */
    static Matrix forEncoding(SafetensorsRows rows, SaeFolder.Loaded loaded, Path sae) {
        rows.requireMatches(loaded.sae().dIn(), loaded.info().provenance(), "SAE " + sae);
        return all(rows);
    }

    /** All rows of a tensor. */
    static Matrix all(SafetensorsRows rows) {
        Matrix all = Matrix.zeros(count(rows.rows(), rows.width(), rows.name()), rows.width());
        rows.read(0, all.rows(), all, 0);
        return all;
    }

    /** A number of rows whose product with a width one array holds. */
    static int count(long rows, int width, String name) {
        if (rows * width > Integer.MAX_VALUE - 8) {
            throw new BadInput(name + ": " + rows + " rows × " + width
                    + " are more than one tensor in memory holds; cut the file into several");
        }
        return (int) rows;
    }
}
