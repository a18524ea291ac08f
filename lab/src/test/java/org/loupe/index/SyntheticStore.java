package org.loupe.index;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.DocumentTable;
import org.loupe.activations.StoreInfo;
import org.loupe.activations.StoreWriter;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.sae.SaeFolder;
import org.loupe.sae.SaeInfo;
import org.loupe.tensor.Matrix;

/**
 * A store and an SAE whose latents are known by construction: the encoder is the identity, so a row's entries are its
 * activations. 400 documents of 12 tokens in 8 categories of 50; position 0 is the prefix and has no row, and every tenth
 * document has lost the row of its token 5.
 *
 * <pre>
 * latent 0–7   fires at token 3 of the documents of category 0–7, at 1 + ⌊document / 8⌋ / 10
 * latent 8     fires on token id 99 wherever it stands (a single-token latent), at 5
 * latent 9     fires at position 1 of every document (a position latent), at 3 + document / 1000
 * latent 10    never fires
 * latent 11    fires on scattered rows of any category
 * </pre>
 */
final class SyntheticStore {
    static final int LATENTS = 12;
    static final int DOCUMENTS = 400;
    static final int TOKENS = 12;
    static final int WORD = 99;

    private SyntheticStore() {}

    static boolean dropped(int document, int token) {
        return document % 10 == 0 && token == 5;
    }

    static int tokenId(int document, int token) {
        return token == 2 + document % 9 && document % 3 == 0 ? WORD : 100 + (document * 31 + token * 17) % 800;
    }

    static float activation(int latent, int document, int token) {
        boolean fires = switch (latent) {
            case 8 -> tokenId(document, token) == WORD;
            case 9 -> token == 0;
            case 10 -> false;
            case 11 -> (document * 7 + token * 13) % 29 == 0;
            default -> token == 3 && document % 8 == latent;
        };
        return !fires
                ? 0
                : switch (latent) {
                    case 8 -> 5;
                    case 9 -> 3 + document / 1000f;
                    case 11 -> 1 + (document * 37 + token) % 101 / 100f;
                    default -> 1 + Math.floorDiv(document, 8) / 10f;
                };
    }

    static SaeFolder.Loaded sae() {
        Matrix identity = Matrix.zeros(LATENTS, LATENTS);
        Matrix decoder = Matrix.zeros(LATENTS, LATENTS);
        for (int l = 0; l < LATENTS; l++) {
            identity.data()[l * LATENTS + l] = 1;
            for (int c = 0; c < LATENTS; c++) {
                decoder.data()[l * LATENTS + c] = (float) Math.cos(1 + l * l * 0.7 + c * (1 + l * 0.3));
            }
        }
        Sae sae = new Sae(identity, new float[LATENTS], decoder, new float[LATENTS], new Activation.TopK(5), false);
        return new SaeFolder.Loaded(
                sae, new SaeInfo(Provenance.here("synthetic", "", "", "", 0), "", "", Map.of(), Map.of()));
    }

    static ActivationStore write(Path folder) {
        return write(folder, 0);
    }

    /** The store with targets beside its rows, of so many columns. */
    static ActivationStore write(Path folder, int targetWidth) {
        return write(folder, List.of(new StoreInfo.Part("", LATENTS, 1)), targetWidth);
    }

    /** The store as of several hook points, whose widths add up to {@value #LATENTS}. */
    static ActivationStore write(Path folder, List<StoreInfo.Part> parts) {
        return write(folder, parts, 0);
    }

    private static ActivationStore write(Path folder, List<StoreInfo.Part> parts, int targetWidth) {
        List<float[]> rows = new ArrayList<>();
        List<int[]> places = new ArrayList<>();
        List<DocumentTable.Document> documents = new ArrayList<>();
        for (int d = 0; d < DOCUMENTS; d++) {
            int[] tokens = new int[TOKENS];
            for (int t = 0; t < TOKENS; t++) {
                tokens[t] = tokenId(d, t);
                if (!dropped(d, t)) {
                    float[] row = new float[LATENTS];
                    for (int l = 0; l < LATENTS; l++) {
                        row[l] = activation(l, d, t);
                    }
                    rows.add(row);
                    places.add(new int[] {tokens[t], t + 1, d});
                }
            }
            documents.add(new DocumentTable.Document("document " + d, "noun.kind" + d % 8, tokens));
        }
        Matrix x = Matrix.zeros(rows.size(), LATENTS);
        int[][] columns = new int[3][rows.size()];
        for (int r = 0; r < rows.size(); r++) {
            System.arraycopy(rows.get(r), 0, x.data(), x.offset(r), LATENTS);
            for (int c = 0; c < 3; c++) {
                columns[c][r] = places.get(r)[c];
            }
        }
        Matrix targets = targetWidth == 0 ? null : Matrix.zeros(x.rows(), targetWidth);
        StoreInfo.Shard shard = StoreWriter.writeShard(
                folder, 0, Dtype.F32, new StoreWriter.Rows(x, columns[0], columns[1], columns[2], targets, null));
        DocumentTable.write(folder.resolve(DocumentTable.FILE), documents.iterator());
        String hook = parts.stream().map(StoreInfo.Part::hook).collect(Collectors.joining("+"));
        StoreWriter.finish(
                folder,
                new StoreInfo(
                        Provenance.here("synthetic", "", "", hook, 0),
                        LATENTS,
                        Dtype.F32,
                        x.rows(),
                        List.of(1),
                        1,
                        Map.of(),
                        Map.of(),
                        DocumentTable.FILE,
                        DOCUMENTS,
                        List.of(shard),
                        parts,
                        targets == null ? null : new StoreInfo.Part("blocks.0.hook_mlp_out", targetWidth, 1),
                        null));
        return ActivationStore.open(folder);
    }
}
