package org.loupe.index;

import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import org.duckdb.DuckDBAppender;
import org.duckdb.DuckDBConnection;
import org.loupe.causal.Comparison;
import org.loupe.causal.LatentEffect;

/** Writes the index's Parquet files through a scratch database, so that memory does not grow with the number of latents. */
final class IndexWriter implements AutoCloseable {
    /** Small row groups, so that a reader of one latent's rows skips nearly all of the file. */
    private static final int ROW_GROUP = 8192;

    /** The scratch database, which the caller deletes after closing. */
    static final String SCRATCH = "scratch.duckdb";

    private final Path folder;
    private final DuckDBConnection database;
    private final DuckDBAppender latents;
    private final DuckDBAppender examples;

    /** @param folder where the scratch database and then the files lie */
    IndexWriter(Path folder) {
        this.folder = folder;
        try {
            database = DriverManager.getConnection("jdbc:duckdb:" + folder.resolve(SCRATCH))
                    .unwrap(DuckDBConnection.class);
            try (Statement sql = database.createStatement()) {
                sql.execute(IndexTable.LATENTS.create());
                sql.execute(IndexTable.EXAMPLES.create());
            }
            latents = database.createAppender(IndexTable.LATENTS.table());
            examples = database.createAppender(IndexTable.EXAMPLES.table());
        } catch (SQLException e) {
            throw failure(e);
        }
    }

    void write(LatentProfile p) {
        Enrichment best = p.best();
        try {
            latents.beginRow()
                    .append(p.latent())
                    .append(p.count())
                    .append(p.density())
                    .append(p.documents())
                    .append(p.mean())
                    .append(p.max())
                    .append(p.histogram())
                    .append(p.label())
                    .append(p.category())
                    .append(best == null ? 0 : best.hits())
                    .append(best == null ? 0 : best.drawn())
                    .append(best == null ? 0 : best.base())
                    .append(best == null ? 0 : best.lift())
                    .append(best == null ? 0 : best.log10P())
                    .append(p.topTokens())
                    .append(p.topTokenCounts())
                    .append(p.flags().stream().map(LatentProfile.Flag::text).toList())
                    .append(p.lens().promoted())
                    .append(p.lens().promotedLogits())
                    .append(p.lens().suppressed())
                    .append(p.lens().suppressedLogits())
                    .append(p.neighbours())
                    .append(p.cosines())
                    .endRow();
        } catch (SQLException e) {
            throw failure(e);
        }
    }

    void write(Example e) {
        try {
            examples.beginRow()
                    .append(e.latent())
                    .append(e.interval())
                    .append(e.rank())
                    .append(e.document())
                    .append(e.category())
                    .append(e.activation())
                    .append(e.at())
                    .append(e.position())
                    .append(e.cutBefore())
                    .append(e.cutAfter())
                    .append(e.tokens())
                    .append(e.activations(), nan(e.activations()))
                    .endRow();
        } catch (SQLException failed) {
            throw failure(failed);
        }
    }

    /** Writes the effects of all latents as a table of their own. */
    void write(List<LatentCard> cards) {
        try {
            try (Statement sql = database.createStatement()) {
                sql.execute(IndexTable.EFFECTS.create());
            }
            try (DuckDBAppender effects = database.createAppender(IndexTable.EFFECTS.table())) {
                for (LatentCard card : cards) {
                    write(effects, card);
                }
            }
            export(database, IndexTable.EFFECTS);
        } catch (SQLException e) {
            throw failure(e);
        }
    }

    private static void write(DuckDBAppender effects, LatentCard card) throws SQLException {
        LatentEffect e = card.effect();
        effects.beginRow()
                .append(e.latent())
                .append(e.firings())
                .append(e.attribution())
                .append(e.attributionSize())
                .append(e.signConsistency())
                .append(e.perEnergy())
                .append(e.perEnergyError())
                .append(e.ablated())
                .append(e.increase())
                .append(e.increaseError())
                .append(e.kl())
                .append(e.klError())
                .append(e.total())
                .append(e.bandSize().stream().mapToDouble(Double::doubleValue).toArray())
                .append(card.raised())
                .append(e.raised().stream().mapToInt(Comparison.Moved::id).toArray())
                .append(by(e.raised()))
                .append(card.lowered())
                .append(e.lowered().stream().mapToInt(Comparison.Moved::id).toArray())
                .append(by(e.lowered()))
                .append(e.confidence())
                .append(e.amplifiedKl())
                .append(card.causallyDead())
                .endRow();
    }

    private static float[] by(List<Comparison.Moved> moved) {
        float[] by = new float[moved.size()];
        for (int i = 0; i < by.length; i++) {
            by[i] = (float) moved.get(i).by();
        }
        return by;
    }

    private static boolean[] nan(float[] values) {
        boolean[] nan = new boolean[values.length];
        for (int i = 0; i < values.length; i++) {
            nan[i] = Float.isNaN(values[i]);
        }
        return nan;
    }

    /** Writes both files; the writer takes nothing more. */
    void finish() {
        try {
            latents.close();
            examples.close();
            export(database, IndexTable.LATENTS);
            export(database, IndexTable.EXAMPLES);
        } catch (SQLException e) {
            throw failure(e);
        }
    }

    private void export(Connection from, IndexTable table) throws SQLException {
        String file = folder.resolve(table.file()).toString().replace("'", "''");
        try (Statement sql = from.createStatement()) {
            sql.execute("COPY " + table.table() + " TO '" + file
                    + "' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE " + ROW_GROUP + ")");
        }
    }

    private UncheckedIOException failure(SQLException e) {
        return new UncheckedIOException(
                new java.io.IOException("cannot write the index in " + folder + ": " + e.getMessage(), e));
    }

    @Override
    public void close() {
        try {
            database.close();
        } catch (SQLException e) {
            throw failure(e);
        }
    }
}
