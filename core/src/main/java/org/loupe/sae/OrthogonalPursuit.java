package org.loupe.sae;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * {@link Activation.Omp} on all rows at once: one exact search for the next atom a step. With D_S the atoms of a row, its Gram
 * submatrix D_S D_Sᵀ = L Lᵀ gains a row of L with each atom (Rubinstein, Zibulevsky &amp; Elad 2008, §2), and f solves L Lᵀ f = D_S x. Where
 * f ≥ 0 is asked for and a least-squares value is negative, non-negative least squares are solved on the same matrix.
 */
public final class OrthogonalPursuit {
    /** A row is finished where no atom has more of its residual than this share of the row's norm. */
    private static final float ROUNDING = 1e-6f;

    /** The least squared distance of a new atom from the span of those before it. */
    private static final double INDEPENDENT = 1e-6;

    private static final int CHUNK = 16;

    /** Elements of L of the rows that are coded together. */
    private static final int MEMORY = 1 << 23;

    private final LatentSearch search;
    private final SignedSearch signedSearch;
    private final Kernels kernels;
    private final Workers workers;
    private final ActiveRows best = new ActiveRows();

    public OrthogonalPursuit(LatentSearch search, Kernels kernels, Workers workers) {
        this.search = search;
        this.signedSearch = new SignedSearch(search);
        this.kernels = kernels;
        this.workers = workers;
    }

    /**
     * Codes rows.
     *
     * @param x [rows × d], the centred rows; not modified
     * @param dictionary [latents × d], rows of unit norm
     * @param atoms of a row, at most
     * @param out overwritten
     */
    public void code(Matrix x, Matrix dictionary, int atoms, boolean signed, ActiveRows out) {
        int most = Math.min(atoms, Math.min(x.cols(), dictionary.rows()));
        int together = Math.max(1, MEMORY / (most * (most + 1) / 2) / CHUNK) * CHUNK;
        out.begin(x.rows(), CHUNK);
        for (int first = 0; first < x.rows(); first += together) {
            int rows = Math.min(together, x.rows() - first);
            int size = rows * x.cols();
            Matrix block =
                    new Matrix(rows, x.cols(), Arrays.copyOfRange(x.data(), x.offset(first), x.offset(first) + size));
            Block coded = new Block(block, dictionary, most, signed);
            for (int step = 0; step < most && coded.open(); step++) {
                coded.step();
            }
            coded.write(first, out);
        }
        out.end(workers);
    }

    /** Rows that are coded together. */
    private final class Block {
        private final Matrix x;
        private final Matrix dictionary;
        private final int most;
        private final boolean signed;
        private final Matrix left;
        private final float[] zeros;
        private final int[] taken;
        private final boolean[] finished;
        private final int[] atom;
        private final double[] f;

        /** L⁻¹ D_S x. */
        private final double[] forward;

        /** L of each row, its rows one after the other. */
        private final double[] factor;

        Block(Matrix x, Matrix dictionary, int most, boolean signed) {
            this.x = x;
            this.dictionary = dictionary;
            this.most = most;
            this.signed = signed;
            this.left = new Matrix(x.rows(), x.cols(), x.data().clone());
            this.zeros = new float[dictionary.rows()];
            this.taken = new int[x.rows()];
            this.finished = new boolean[x.rows()];
            this.atom = new int[x.rows() * most];
            this.f = new double[x.rows() * most];
            this.forward = new double[x.rows() * most];
            this.factor = new double[x.rows() * (most * (most + 1) / 2)];
        }

        boolean open() {
            for (boolean done : finished) {
                if (!done) {
                    return true;
                }
            }
            return false;
        }

        void step() {
            if (signed) {
                signedSearch.search(left, dictionary, zeros, 1, best);
            } else {
                search.search(left, dictionary, zeros, new LatentSearch.Rule.Largest(1), best);
            }
            workers.forEach(x.rows(), CHUNK, (from, to, worker) -> {
                for (int r = from; r < to; r++) {
                    finished[r] = finished[r] || !take(r);
                    if (!finished[r]) {
                        solve(r);
                        leave(r);
                    }
                }
            });
        }

        /** Takes a row's next atom; whether there is one. */
        private boolean take(int r) {
            int d = x.cols();
            int place = best.starts()[r];
            double norm = Math.sqrt(kernels.dot(x.data(), r * d, x.data(), r * d, d));
            if (place == best.starts()[r + 1] || Math.abs(best.value()[place]) <= ROUNDING * norm) {
                return false;
            }
            int next = best.index()[place];
            int n = taken[r];
            int at = r * most;
            int row = r * (most * (most + 1) / 2);
            int last = row + n * (n + 1) / 2;
            double pivot = inner(next, next);
            double value = kernels.dot(x.data(), r * d, dictionary.data(), next * d, d);
            for (int i = 0; i < n; i++) {
                if (atom[at + i] == next) {
                    return false;
                }
                int before = row + i * (i + 1) / 2;
                double sum = inner(next, atom[at + i]);
                for (int j = 0; j < i; j++) {
                    sum -= factor[last + j] * factor[before + j];
                }
                factor[last + i] = sum / factor[before + i];
                pivot -= factor[last + i] * factor[last + i];
                value -= factor[last + i] * forward[at + i];
            }
            if (pivot <= INDEPENDENT) {
                return false;
            }
            factor[last + n] = Math.sqrt(pivot);
            forward[at + n] = value / factor[last + n];
            atom[at + n] = next;
            taken[r]++;
            return true;
        }

        private double inner(int i, int j) {
            int d = x.cols();
            return kernels.dot(dictionary.data(), i * d, dictionary.data(), j * d, d);
        }

        /** f from Lᵀ f = L⁻¹ D_S x. */
        private void solve(int r) {
            int n = taken[r];
            int at = r * most;
            int row = r * (most * (most + 1) / 2);
            double[] solved = new double[n];
            boolean negative = false;
            for (int i = n - 1; i >= 0; i--) {
                double sum = forward[at + i];
                for (int j = i + 1; j < n; j++) {
                    sum -= factor[row + j * (j + 1) / 2 + i] * solved[j];
                }
                solved[i] = sum / factor[row + i * (i + 1) / 2 + i];
                negative |= solved[i] < 0;
            }
            if (negative && !signed) {
                nonNegative(r, solved);
            }
            System.arraycopy(solved, 0, f, at, n);
        }

        private void nonNegative(int r, double[] solved) {
            int n = solved.length;
            int row = r * (most * (most + 1) / 2);
            double[] gram = new double[n * n];
            double[] inner = new double[n];
            for (int i = 0; i < n; i++) {
                for (int s = 0; s <= i; s++) {
                    inner[i] += factor[row + i * (i + 1) / 2 + s] * forward[r * most + s];
                }
                for (int j = 0; j <= i; j++) {
                    for (int s = 0; s <= j; s++) {
                        gram[i * n + j] += factor[row + i * (i + 1) / 2 + s] * factor[row + j * (j + 1) / 2 + s];
                    }
                    gram[j * n + i] = gram[i * n + j];
                }
                solved[i] = Math.max(0, solved[i]);
            }
            SmallLasso.solve(n, gram, inner, 0, false, solved);
        }

        private void leave(int r) {
            int d = x.cols();
            System.arraycopy(x.data(), r * d, left.data(), r * d, d);
            for (int i = r * most; i < r * most + taken[r]; i++) {
                kernels.addScaled((float) -f[i], dictionary.data(), atom[i] * d, left.data(), r * d, d);
            }
        }

        void write(int first, ActiveRows out) {
            workers.forEach(x.rows(), CHUNK, (from, to, worker) -> {
                ActiveRows.Part part = out.part(first + from);
                for (int r = from; r < to; r++) {
                    part.addSorted(atom, f, r * most, r * most + taken[r]);
                    part.endRow(r - from);
                }
            });
        }
    }
}
