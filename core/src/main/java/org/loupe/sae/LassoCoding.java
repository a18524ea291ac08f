package org.loupe.sae;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** {@link Activation.Lasso} on all rows at once: one exact search for violated conditions a round, over the rows not yet finished. */
public final class LassoCoding {
    /** Atoms that a row takes in one round, at most. */
    private static final int ADDED = 32;

    /** ⟨w, r⟩ beyond λ/2 by less than this share of the row's norm is rounding. */
    private static final float TOLERANCE = 1e-5f;

    private static final int CHUNK = 16;

    private final LatentSearch search;
    private final SignedSearch signedSearch;
    private final Kernels kernels;
    private final Workers workers;
    private final ActiveRows best = new ActiveRows();

    public LassoCoding(LatentSearch search, Kernels kernels, Workers workers) {
        this.search = search;
        this.signedSearch = new SignedSearch(search);
        this.kernels = kernels;
        this.workers = workers;
    }

    /** What a row has so far. */
    private static final class Solution {
        int[] atoms = new int[0];
        double[] f = new double[0];
        boolean open = true;
    }

    /**
     * Codes rows.
     *
     * @param x [rows × d], the centred rows; not modified
     * @param dictionary [latents × d], rows of unit norm
     * @param penalty λ
     * @param out overwritten
     */
    public void code(Matrix x, Matrix dictionary, float penalty, boolean signed, int rounds, ActiveRows out) {
        int rows = x.rows();
        int d = x.cols();
        Solution[] solutions = new Solution[rows];
        int[] open = new int[rows];
        for (int r = 0; r < rows; r++) {
            solutions[r] = new Solution();
            open[r] = r;
        }
        Matrix left = new Matrix(rows, d, Arrays.copyOf(x.data(), rows * d));
        float[] zeros = new float[dictionary.rows()];
        for (int round = 0; round < rounds && open.length > 0; round++) {
            if (signed) {
                signedSearch.search(left, dictionary, zeros, ADDED, best);
            } else {
                search.search(left, dictionary, zeros, new LatentSearch.Rule.Largest(ADDED), best);
            }
            int[] at = open;
            Matrix residuals = left;
            workers.forEach(at.length, CHUNK, (from, to, worker) -> {
                for (int o = from; o < to; o++) {
                    Solution solution = solutions[at[o]];
                    solution.open = extend(x, at[o], dictionary, penalty, o, solution);
                    if (solution.open) {
                        solve(x, at[o], dictionary, penalty, signed, solution, residuals, o);
                    }
                }
            });
            open = Arrays.stream(at).filter(r -> solutions[r].open).toArray();
            left = Matrix.zeros(open.length, d);
            for (int o = 0, from = 0; o < open.length; o++, from++) {
                while (at[from] != open[o]) {
                    from++;
                }
                System.arraycopy(residuals.data(), from * d, left.data(), o * d, d);
            }
        }
        write(solutions, out);
    }

    /** Adds the atoms found for a row that violate its conditions; whether there are any. */
    private boolean extend(Matrix x, int row, Matrix dictionary, float penalty, int found, Solution solution) {
        int d = x.cols();
        double norm = Math.sqrt(kernels.dot(x.data(), row * d, x.data(), row * d, d));
        double bar = 0.5 * penalty + TOLERANCE * norm;
        int before = solution.atoms.length;
        int[] atoms = Arrays.copyOf(solution.atoms, before + ADDED);
        int n = before;
        for (int e = best.starts()[found]; e < best.starts()[found + 1]; e++) {
            int atom = best.index()[e];
            boolean isNew = Arrays.stream(solution.atoms).noneMatch(a -> a == atom);
            if (isNew && Math.abs(best.value()[e]) > bar && norm(dictionary, atom) > 0) {
                atoms[n++] = atom;
            }
        }
        solution.atoms = Arrays.copyOf(atoms, n);
        solution.f = Arrays.copyOf(solution.f, n);
        return n > before;
    }

    private float norm(Matrix dictionary, int atom) {
        int d = dictionary.cols();
        return kernels.dot(dictionary.data(), atom * d, dictionary.data(), atom * d, d);
    }

    /** The minimum on a row's atoms, and what it leaves. */
    private void solve(
            Matrix x,
            int row,
            Matrix dictionary,
            float penalty,
            boolean signed,
            Solution solution,
            Matrix residuals,
            int residual) {
        int d = x.cols();
        int n = solution.atoms.length;
        double[] gram = new double[n * n];
        double[] inner = new double[n];
        for (int i = 0; i < n; i++) {
            int at = solution.atoms[i] * d;
            inner[i] = kernels.dot(dictionary.data(), at, x.data(), row * d, d);
            for (int j = 0; j <= i; j++) {
                gram[i * n + j] = kernels.dot(dictionary.data(), at, dictionary.data(), solution.atoms[j] * d, d);
                gram[j * n + i] = gram[i * n + j];
            }
        }
        SmallLasso.solve(n, gram, inner, 0.5 * penalty, signed, solution.f);
        System.arraycopy(x.data(), row * d, residuals.data(), residual * d, d);
        for (int i = 0; i < n; i++) {
            if (solution.f[i] != 0) {
                kernels.addScaled(
                        (float) -solution.f[i],
                        dictionary.data(),
                        solution.atoms[i] * d,
                        residuals.data(),
                        residual * d,
                        d);
            }
        }
    }

    private void write(Solution[] solutions, ActiveRows out) {
        out.begin(solutions.length, CHUNK);
        workers.forEach(solutions.length, CHUNK, (from, to, worker) -> {
            ActiveRows.Part part = out.part(from);
            for (int r = from; r < to; r++) {
                part.addSorted(solutions[r].atoms, solutions[r].f, 0, solutions[r].atoms.length);
                part.endRow(r - from);
            }
        });
        out.end(workers);
    }
}
