package org.loupe.index;

import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.loupe.causal.Comparison;
import org.loupe.causal.LatentEffect;

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

    static LatentCard card(ResultSet row) throws SQLException {
        LatentEffect effect = new LatentEffect(
                row.getInt("latent"),
                row.getLong("firings"),
                row.getDouble("attribution"),
                row.getDouble("attribution_size"),
                row.getDouble("sign_consistency"),
                row.getDouble("per_energy"),
                row.getDouble("per_energy_error"),
                row.getInt("ablated"),
                row.getDouble("delta_ce"),
                row.getDouble("delta_ce_error"),
                row.getDouble("kl"),
                row.getDouble("kl_error"),
                row.getDouble("total"),
                Arrays.stream(elements(row, "band_size"))
                        .map(e -> ((Number) e).doubleValue())
                        .toList(),
                moved(ints(row, "raised_ids"), floats(row, "raised_by")),
                moved(ints(row, "lowered_ids"), floats(row, "lowered_by")),
                row.getDouble("delta_confidence"),
                row.getDouble("amplified_kl"));
        return new LatentCard(effect, strings(row, "raised"), strings(row, "lowered"), row.getBoolean("causally_dead"));
    }

    private static List<Comparison.Moved> moved(int[] ids, float[] by) {
        List<Comparison.Moved> moved = new ArrayList<>();
        for (int i = 0; i < ids.length; i++) {
            moved.add(new Comparison.Moved(ids[i], by[i]));
        }
        return moved;
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
