package org.loupe.train;

import java.util.Arrays;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Products;
import org.loupe.tensor.Workers;

/**
 * Jacobian sparsity (Farnik et al. 2025, Jacobian Sparse Autoencoders, arXiv 2502.18147, eq. 6): of a row's J, from the k active latents j
 * of an SAE of an MLP's input to the k active latents i of one of its output, Σ_ij |J_ij| / k². With x̂ the first SAE's reconstruction, g and u
 * what {@link GatedMlp} makes of it, and P = W_enc Write ᵀ, Q = W_dec Gateᵀ, R = W_dec Upᵀ, one row a latent and one column a neuron,
 *
 * <pre>
 * J_ij = ⟨P_i , a ∘ Q_j + b ∘ R_j⟩        a = silu'(g) ∘ u,  b = silu(g)
 * </pre>
 *
 * <p>The products are made once a batch for all latents, so a row costs k² dot products over the neurons. With S = ∂loss/∂J, T_j = a ∘ Q_j +
 * b ∘ R_j, W_j = Σ_i S_ij P_i and V_i = Σ_j S_ij T_j, two times k² rows more,
 *
 * <pre>
 * dP_i = Σ_rows V_i      dQ_j = Σ_rows a ∘ W_j      dR_j = Σ_rows b ∘ W_j
 * da   = Σ_j Q_j ∘ W_j      db = Σ_j R_j ∘ W_j      dg = da ∘ silu''(g) ∘ u + db ∘ silu'(g)      du = da ∘ silu'(g)
 * </pre>
 *
 * Each latent belongs to one thread and each sum has one order.
 */
final class JacobianPenalty {
    private static final int ROWS = 8;
    private static final int LATENTS = 8;

    /** Rows whose W and V are in memory at once: 25 MB at k = 32 and 1,536 neurons. */
    private static final int BLOCK = 64;

    private final GatedMlp mlp;
    private final Kernels kernels;
    private final Workers workers;
    private final Matrix gateBack;
    private final Matrix upBack;
    private final Matrix writeBack;
    private Matrix p = Matrix.zeros(0, 0);
    private Matrix q = Matrix.zeros(0, 0);
    private Matrix r = Matrix.zeros(0, 0);
    private Matrix g = Matrix.zeros(0, 0);
    private Matrix u = Matrix.zeros(0, 0);
    private Matrix a = Matrix.zeros(0, 0);
    private Matrix b = Matrix.zeros(0, 0);
    private Active in = new Active(new int[1], new int[0]);
    private Active out = new Active(new int[1], new int[0]);

    /** Most active latents of a row of the batch. */
    private int readers;

    private int writers;

    /** J_ij of row n in row n · readers + j's place in the row, at i's place [rows · readers × writers]. */
    private Matrix jacobians = Matrix.zeros(0, 0);

    /** W_j of a block's rows [BLOCK · readers × neurons], and V_i [BLOCK · writers × neurons]. */
    private Matrix toReaders = Matrix.zeros(0, 0);

    private Matrix toWriters = Matrix.zeros(0, 0);
    private JacobianFigures.Sums sums = new JacobianFigures.Sums();

    /** The active latents of each row: those of row n at places starts[n] to starts[n + 1] − 1. */
    record Active(int[] starts, int[] index) {
        int from(int row) {
            return starts[row];
        }

        int count(int row) {
            return starts[row + 1] - starts[row];
        }

        /** Most that are active in one of the rows. */
        int most(int rows) {
            int most = 0;
            for (int row = 0; row < rows; row++) {
                most = Math.max(most, count(row));
            }
            return most;
        }
    }

    /** @param mlp between the two SAEs, in their units */
    JacobianPenalty(GatedMlp mlp, Kernels kernels, Workers workers) {
        this.mlp = mlp;
        this.kernels = kernels;
        this.workers = workers;
        this.gateBack = mlp.gate().transposed();
        this.upBack = mlp.up().transposed();
        this.writeBack = mlp.write().transposed();
    }

    /**
     * The Jacobians of a batch.
     *
     * @param decoder W_dec of the input's SAE [m × d]
     * @param reconstruction x̂ [rows × d]
     * @param encoder W_enc of the output's SAE [m' × dOut]
     */
    JacobianFigures look(Active inputs, Matrix decoder, Matrix reconstruction, Active outputs, Matrix encoder) {
        in = inputs;
        out = outputs;
        p = product(encoder, mlp.write(), p);
        q = product(decoder, mlp.gate(), q);
        r = product(decoder, mlp.up(), r);
        g = product(reconstruction, mlp.gate(), g);
        u = product(reconstruction, mlp.up(), u);
        int rows = reconstruction.rows();
        int h = mlp.neurons();
        a = sized(a, rows, h);
        b = sized(b, rows, h);
        readers = in.most(rows);
        writers = out.most(rows);
        jacobians = sized(jacobians, rows * readers, writers);
        JacobianFigures.Sums[] parts = new JacobianFigures.Sums[(rows + ROWS - 1) / ROWS];
        workers.forEach(rows, ROWS, (from, to, worker) -> {
            JacobianFigures.Sums own = new JacobianFigures.Sums();
            float[] direction = new float[h];
            for (int row = from; row < to; row++) {
                factors(row);
                for (int j = 0; j < in.count(row); j++) {
                    int latent = in.index()[in.from(row) + j] * h;
                    Arrays.fill(direction, 0);
                    direction(row, latent, direction, 0);
                    int at = jacobians.offset(row * readers + j);
                    for (int i = 0; i < out.count(row); i++) {
                        float value = kernels.dot(p.data(), out.index()[out.from(row) + i] * h, direction, 0, h);
                        jacobians.data()[at + i] = value;
                        own.add(value);
                    }
                }
            }
            parts[from / ROWS] = own;
        });
        sums = new JacobianFigures.Sums();
        sums.count(rows, readers, writers);
        Arrays.stream(parts).forEach(sums::add);
        return sums.figures();
    }

    /** What the last batch adds to figures of several. */
    JacobianFigures.Sums sums() {
        return sums;
    }

    /** g, u, a and b of a row. */
    private void factors(int row) {
        int h = mlp.neurons();
        for (int n = 0; n < h; n++) {
            int at = row * h + n;
            float gate = g.data()[at] + mlp.gateBias()[n];
            float up = u.data()[at] + mlp.upBias()[n];
            float s = (float) (1 / (1 + Math.exp(-gate)));
            g.data()[at] = gate;
            u.data()[at] = up;
            a.data()[at] = s * (1 + gate * (1 - s)) * up;
            b.data()[at] = s * gate;
        }
    }

    /**
     * The gradients of weight · mean |J_ij| of the batch last looked at.
     *
     * @param reconstruction gains dL/dx̂ [rows × d]
     * @param decoder overwritten with dL/dW_dec, x̂ held fixed [m × d]
     * @param encoder overwritten with dL/dW_enc [m' × dOut]
     */
    void gradients(double weight, Matrix reconstruction, Matrix decoder, Matrix encoder) {
        int rows = reconstruction.rows();
        int h = mlp.neurons();
        float slope = (float) (weight / Math.max(1.0, (double) rows * readers * writers));
        Matrix dP = Matrix.zeros(p.rows(), h);
        Matrix dQ = Matrix.zeros(q.rows(), h);
        Matrix dR = Matrix.zeros(r.rows(), h);
        Matrix dG = Matrix.zeros(rows, h);
        Matrix dU = Matrix.zeros(rows, h);
        toReaders = sized(toReaders, BLOCK * readers, h);
        toWriters = sized(toWriters, BLOCK * writers, h);
        for (int first = 0; first < rows; first += BLOCK) {
            int block = first;
            int last = Math.min(rows, first + BLOCK);
            workers.forEach(last - block, 1, (from, to, worker) -> {
                for (int row = block + from; row < block + to; row++) {
                    throughRow(row, block, slope, dG, dU);
                }
            });
            Places inputs = Places.of(in, block, last, decoder.rows());
            workers.forEach(decoder.rows(), LATENTS, (from, to, worker) -> {
                for (int latent = from; latent < to; latent++) {
                    for (int at = inputs.starts[latent]; at < inputs.starts[latent + 1]; at++) {
                        int row = inputs.row[at];
                        int w = toReaders.offset((row - block) * readers + inputs.place[at]);
                        addProduct(a.data(), row * h, toReaders.data(), w, dQ.data(), latent * h);
                        addProduct(b.data(), row * h, toReaders.data(), w, dR.data(), latent * h);
                    }
                }
            });
            Places outputs = Places.of(out, block, last, encoder.rows());
            workers.forEach(encoder.rows(), LATENTS, (from, to, worker) -> {
                for (int latent = from; latent < to; latent++) {
                    for (int at = outputs.starts[latent]; at < outputs.starts[latent + 1]; at++) {
                        int v = toWriters.offset((outputs.row[at] - block) * writers + outputs.place[at]);
                        kernels.addScaled(1, toWriters.data(), v, dP.data(), latent * h, h);
                    }
                }
            });
        }
        Products.add(dG, gateBack, reconstruction, kernels, workers);
        Products.add(dU, upBack, reconstruction, kernels, workers);
        Arrays.fill(decoder.data(), 0);
        Products.add(dQ, gateBack, decoder, kernels, workers);
        Products.add(dR, upBack, decoder, kernels, workers);
        Arrays.fill(encoder.data(), 0);
        Products.add(dP, writeBack, encoder, kernels, workers);
    }

    /** W_j and V_i of one row, and its dg and du. */
    private void throughRow(int row, int block, float slope, Matrix dG, Matrix dU) {
        int h = mlp.neurons();
        int n = in.count(row);
        int m = out.count(row);
        float[] none = new float[h];
        float[] dA = new float[h];
        float[] dB = new float[h];
        float[] weights = new float[Math.max(n, m)];
        int[] places = new int[Math.max(n, m)];
        float[] directions = new float[n * h];
        System.arraycopy(out.index(), out.from(row), places, 0, m);
        for (int j = 0; j < n; j++) {
            int latent = in.index()[in.from(row) + j] * h;
            direction(row, latent, directions, j * h);
            for (int i = 0; i < m; i++) {
                weights[i] = slope * Math.signum(jacobians.at(row * readers + j, i));
            }
            int w = toReaders.offset((row - block) * readers + j);
            kernels.weightedRows(p.data(), 0, h, places, weights, 0, m, none, 0, toReaders.data(), w);
            addProduct(q.data(), latent, toReaders.data(), w, dA, 0);
            addProduct(r.data(), latent, toReaders.data(), w, dB, 0);
        }
        for (int j = 0; j < n; j++) {
            places[j] = j;
        }
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                weights[j] = slope * Math.signum(jacobians.at(row * readers + j, i));
            }
            int v = toWriters.offset((row - block) * writers + i);
            kernels.weightedRows(directions, 0, h, places, weights, 0, n, none, 0, toWriters.data(), v);
        }
        for (int neuron = 0; neuron < h; neuron++) {
            int at = row * h + neuron;
            float gate = g.data()[at];
            float s = (float) (1 / (1 + Math.exp(-gate)));
            float first = s * (1 + gate * (1 - s));
            float second = s * (1 - s) * (2 + gate * (1 - 2 * s));
            dG.data()[at] = dA[neuron] * second * u.data()[at] + dB[neuron] * first;
            dU.data()[at] = dA[neuron] * first;
        }
    }

    /** a ∘ Q_j + b ∘ R_j of a row. */
    private void direction(int row, int latentAt, float[] direction, int at) {
        addProduct(a.data(), row * mlp.neurons(), q.data(), latentAt, direction, at);
        addProduct(b.data(), row * mlp.neurons(), r.data(), latentAt, direction, at);
    }

    /** Entries of rows [from, to) by latent, in the order of rows: latent i owns those from starts[i] to starts[i + 1] − 1. */
    private record Places(int[] starts, int[] row, int[] place) {
        static Places of(Active active, int from, int to, int latents) {
            int first = active.from(from);
            int entries = active.from(to) - first;
            int[] starts = new int[latents + 1];
            for (int e = first; e < first + entries; e++) {
                starts[active.index()[e] + 1]++;
            }
            for (int i = 0; i < latents; i++) {
                starts[i + 1] += starts[i];
            }
            int[] next = starts.clone();
            int[] row = new int[entries];
            int[] place = new int[entries];
            for (int at = from; at < to; at++) {
                for (int i = 0; i < active.count(at); i++) {
                    int entry = next[active.index()[active.from(at) + i]]++;
                    row[entry] = at;
                    place[entry] = i;
                }
            }
            return new Places(starts, row, place);
        }
    }

    /** out += x ∘ y over the neurons. */
    private void addProduct(float[] x, int xAt, float[] y, int yAt, float[] sum, int at) {
        for (int n = 0; n < mlp.neurons(); n++) {
            sum[at + n] += x[xAt + n] * y[yAt + n];
        }
    }

    private Matrix product(Matrix left, Matrix right, Matrix memory) {
        Matrix product = sized(memory, left.rows(), right.rows());
        Arrays.fill(product.data(), 0);
        Products.add(left, right, product, kernels, workers);
        return product;
    }

    private static Matrix sized(Matrix memory, int rows, int cols) {
        return memory.rows() == rows && memory.cols() == cols ? memory : Matrix.zeros(rows, cols);
    }
}
