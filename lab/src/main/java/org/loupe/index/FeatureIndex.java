package org.loupe.index;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.ActivationStore;
import org.loupe.causal.EffectConfig;
import org.loupe.io.BadInput;
import org.loupe.sae.SaeFolder;
import org.loupe.tensor.Workers;

/**
 * A feature index: what each latent of an SAE does on the rows of a store. A folder with {@code latents.parquet} (one row a
 * latent), {@code examples.parquet} (one row an example), where effects were measured {@code effects.parquet} (one row a latent), and {@code index.json}, which says what the columns mean.
 */
public final class FeatureIndex implements AutoCloseable {
    private final Path folder;
    private final IndexInfo info;
    private final Connection database;

    private FeatureIndex(Path folder, IndexInfo info, Connection database) {
        this.folder = folder;
        this.info = info;
        this.database = database;
    }

    /**
     * Builds an index in one pass over the store. The result depends on its inputs and the configuration alone, not on the
     * number of threads. Memory: 12 bytes a row of the store and 4 a token beside the SAE; the activations go through scratch
     * files of 16 bytes each.
     *
     * @param loaded the SAE
     * @param store rows of the hook point that the SAE reads; targets beside them are not looked at
     * @param vocabulary the text of the store's tokens, and the model for the logit lens
     * @param effects how latents' effects on the vocabulary's model are measured; null: not at all
     * @param out the index's folder; replaced when the new one is complete
     * @throws BadInput when the store is made for another model, hook point or width than the SAE
     */
    public static IndexInfo build(
            SaeFolder.Loaded loaded,
            ActivationStore store,
            Vocabulary vocabulary,
            IndexConfig config,
            @Nullable EffectConfig effects,
            Path out,
            Workers workers,
            Consumer<IndexEvent> listener) {
        store.inputs().requireMatches(loaded.sae().dIn(), loaded.info().provenance(), "the SAE");
        return new IndexBuild(loaded, store, vocabulary, config, effects, workers, listener).run(out);
    }

    /**
     * Opens an index.
     *
     * @throws BadInput naming the file that is missing or not what it should be
     */
    public static FeatureIndex open(Path folder) {
        if (!Files.isRegularFile(folder.resolve(IndexInfo.FILE))) {
            throw BadInput.in(folder, "is not a feature index: it has no " + IndexInfo.FILE);
        }
        IndexInfo info = IndexInfo.read(folder.resolve(IndexInfo.FILE));
        for (IndexTable table : tables(info)) {
            if (!Files.isRegularFile(folder.resolve(table.file()))) {
                throw BadInput.in(folder.resolve(table.file()), "no such file, though " + IndexInfo.FILE + " is there");
            }
        }
        try {
            FeatureIndex index = new FeatureIndex(folder, info, DriverManager.getConnection("jdbc:duckdb:"));
            try (Statement sql = index.database.createStatement()) {
                for (IndexTable table : tables(info)) {
                    String file = folder.resolve(table.file()).toString().replace("'", "''");
                    sql.execute("CREATE VIEW " + table.table() + " AS SELECT * FROM read_parquet('" + file + "')");
                }
            } catch (SQLException e) {
                index.database.close();
                throw e;
            }
            return index;
        } catch (SQLException e) {
            throw new BadInput(folder + ": cannot be read as a feature index: " + e.getMessage(), e);
        }
    }

    private static List<IndexTable> tables(IndexInfo info) {
        List<IndexTable> tables = new ArrayList<>(IndexTable.ALL);
        if (info.effects() != null) {
            tables.add(IndexTable.EFFECTS);
        }
        return tables;
    }

    public IndexInfo info() {
        return info;
    }

    /** The profiles of all latents, without histogram, lens and neighbours: what a list shows. */
    public List<LatentProfile> summaries() {
        return query(
                "SELECT * REPLACE ([]::INTEGER[] AS histogram, []::VARCHAR[] AS promoted, []::FLOAT[] AS promoted_logits,"
                        + " []::VARCHAR[] AS suppressed, []::FLOAT[] AS suppressed_logits, []::INTEGER[] AS neighbours,"
                        + " []::FLOAT[] AS cosines) FROM latents ORDER BY latent",
                IndexRows::profile);
    }

    /** Everything about one latent but its examples. */
    public LatentProfile profile(int latent) {
        require(latent);
        List<LatentProfile> found = query("SELECT * FROM latents WHERE latent = " + latent, IndexRows::profile);
        if (found.size() != 1) {
            throw BadInput.in(
                    folder.resolve(IndexTable.LATENTS.file()), "has " + found.size() + " rows for latent " + latent);
        }
        return found.getFirst();
    }

    /** One latent's examples: the top ones, then those of each interval, the highest first. */
    public List<Example> examples(int latent) {
        require(latent);
        return query(
                "SELECT * FROM examples WHERE latent = " + latent + " ORDER BY interval >= 0, interval DESC, rank",
                IndexRows::example);
    }

    /** The effects of all latents, in order of their numbers; empty where they were not measured. */
    public List<LatentCard> cards() {
        return info.effects() == null ? List.of() : query("SELECT * FROM effects ORDER BY latent", IndexRows::card);
    }

    private void require(int latent) {
        if (latent < 0 || latent >= info.latents()) {
            throw new BadInput("there is no latent " + latent + "; this SAE has latents 0 to " + (info.latents() - 1));
        }
    }

    /** Makes a value of a row. */
    @FunctionalInterface
    private interface Row<T> {
        T of(ResultSet row) throws SQLException;
    }

    private synchronized <T> List<T> query(String query, Row<T> row) {
        List<T> found = new ArrayList<>();
        try (Statement sql = database.createStatement();
                ResultSet rows = sql.executeQuery(query)) {
            while (rows.next()) {
                found.add(row.of(rows));
            }
            return found;
        } catch (SQLException e) {
            throw new UncheckedIOException(
                    new IOException("cannot read the index in " + folder + ": " + e.getMessage(), e));
        }
    }

    @Override
    public void close() {
        try {
            database.close();
        } catch (SQLException e) {
            throw new UncheckedIOException(new IOException("cannot close the index: " + e.getMessage(), e));
        }
    }
}
