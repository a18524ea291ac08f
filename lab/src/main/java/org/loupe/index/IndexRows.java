package org.loupe.index;

import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;

/** Rows of the Parquet files as records. */
final class IndexRows {
    private IndexRows() {}

    static LatentProfile profile(ResultSet row) throws SQLException {
        String category = row.getString("category");
        return new LatentProfile(
                row.getInt("latent"),
                row.getLong("count"),
                row.getDouble("density"),
                row.getInt("documents"),
                row.getFloat("mean"),
                row.getFloat("max"),
                ints(row, "histogram"),
                category.isEmpty() ? null : enrichment(row),
                category,
                row.getString("label"),
                strings(row, "top_tokens"),
                Arrays.stream(ints(row, "top_token_counts")).boxed().toList(),
                strings(row, "flags").stream().map(LatentProfile.Flag::of).toList(),
                new LatentProfile.Lens(
                        strings(row, "promoted"),
                        floats(row, "promoted_logits"),
                        strings(row, "suppressed"),
                        floats(row, "suppressed_logits")),
                ints(row, "neighbours"),
                floats(row, "cosines"));
    }

    private static Enrichment enrichment(ResultSet row) throws SQLException {
        return new Enrichment(
                row.getInt("hits"),
                row.getInt("drawn"),
                row.getDouble("base"),
                row.getDouble("lift"),
                row.getDouble("log10_p"));
    }

    static Example example(ResultSet row) throws SQLException {
        return new Example(
                row.getInt("latent"),
                row.getInt("interval"),
                row.getInt("rank"),
                row.getInt("document"),
                row.getString("category"),
                row.getFloat("activation"),
                row.getInt("at"),
                row.getInt("position"),
                row.getBoolean("cut_before"),
                row.getBoolean("cut_after"),
                strings(row, "tokens"),
                floats(row, "activations"));
    }

    private static Object[] elements(ResultSet row, String column) throws SQLException {
        Array array = row.getArray(column);
        return (Object[]) array.getArray();
    }

    private static List<String> strings(ResultSet row, String column) throws SQLException {
        return Arrays.stream(elements(row, column)).map(String::valueOf).toList();
    }

    private static int[] ints(ResultSet row, String column) throws SQLException {
        return Arrays.stream(elements(row, column))
                .mapToInt(e -> ((Number) e).intValue())
                .toArray();
    }

    private static float[] floats(ResultSet row, String column) throws SQLException {
        Object[] elements = elements(row, column);
        float[] values = new float[elements.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = elements[i] == null ? Float.NaN : ((Number) elements[i]).floatValue();
        }
        return values;
    }
}
