package org.loupe.tensor;

import java.util.Arrays;
import java.util.Comparator;

/**
 * The eigenvalues of a symmetric matrix and the eigenvectors of its largest ones: Householder reduction to tridiagonal form,
 * then QL steps with Wilkinson's implicit shift (Golub &amp; Van Loan, Matrix Computations, 4th ed., §8.3). About 8 n³
 * operations in double.
 *
 * @param values all n eigenvalues, descending
 * @param vectors [count][n], orthonormal; row i belongs to {@code values[i]}; its largest component is positive
 */
public record SymmetricEigen(double[] values, double[][] vectors) {
    private static final int MAX_STEPS = 60;

    /**
     * Decomposes a matrix.
     *
     * @param matrix [n][n], symmetric, not modified
     * @param count eigenvectors wanted, at most n
     */
    public static SymmetricEigen of(double[][] matrix, int count) {
        int n = matrix.length;
        if (count > n) {
            throw new IllegalArgumentException("eigenvectors: " + count + " wanted of a matrix of order " + n);
        }
        double[][] a = new double[n][];
        for (int i = 0; i < n; i++) {
            a[i] = matrix[i].clone();
        }
        double[] diagonal = new double[n];
        double[] off = new double[n];
        tridiagonalise(a, diagonal, off);
        double[][] rotated = new double[n][n];
        for (int i = 0; i < n; i++) {
            rotated[i][i] = 1;
        }
        ql(diagonal, off, rotated);
        Integer[] order = new Integer[n];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingDouble((Integer i) -> -diagonal[i]));
        double[] values = new double[n];
        Arrays.setAll(values, i -> diagonal[order[i]]);
        double[][] vectors = new double[count][];
        for (int i = 0; i < count; i++) {
            vectors[i] = reflected(a, rotated[order[i]]);
        }
        return new SymmetricEigen(values, vectors);
    }

    /**
     * Reduces a by n − 2 reflections I − v vᵀ (‖v‖² = 2). Afterwards row k holds the v of step k in columns k + 1 to n − 1.
     *
     * @param off off[k] couples k and k + 1
     */
    private static void tridiagonalise(double[][] a, double[] diagonal, double[] off) {
        int n = a.length;
        double[] p = new double[n];
        for (int k = 0; k < n; k++) {
            diagonal[k] = a[k][k];
            if (k < n - 1) {
                off[k] = reflector(a[k], k + 1);
                reflect(a, a[k], k + 1, p);
            }
        }
    }

    /** Turns v[from..] into the reflector that maps it onto its first axis; returns the image's only component. */
    private static double reflector(double[] v, int from) {
        int n = v.length;
        double rest = 0;
        for (int i = from + 1; i < n; i++) {
            rest += v[i] * v[i];
        }
        double first = v[from];
        if (rest == 0) {
            v[from] = 0;
            return first;
        }
        double norm = Math.sqrt(first * first + rest);
        double image = first > 0 ? -norm : norm;
        v[from] = first - image;
        double scale = Math.sqrt(2 / (v[from] * v[from] + rest));
        for (int i = from; i < n; i++) {
            v[i] *= scale;
        }
        return image;
    }

    /** a ← (I − v vᵀ) a (I − v vᵀ) on rows and columns from.., as a rank-two update; p is scratch. */
    private static void reflect(double[][] a, double[] v, int from, double[] p) {
        int n = v.length;
        if (v[from] == 0) {
            return;
        }
        Arrays.fill(p, from, n, 0);
        for (int i = from; i < n; i++) {
            addScaled(v[i], a[i], p, from);
        }
        double half = 0;
        for (int i = from; i < n; i++) {
            half += v[i] * p[i] / 2;
        }
        addScaled(-half, v, p, from);
        for (int i = from; i < n; i++) {
            double[] row = a[i];
            double vi = v[i];
            double pi = p[i];
            for (int j = from; j < n; j++) {
                row[j] -= vi * p[j] + pi * v[j];
            }
        }
    }

    /** Applies the reflections of the reduction, last first, to an eigenvector of the tridiagonal matrix. */
    private static double[] reflected(double[][] a, double[] vector) {
        int n = vector.length;
        double[] x = vector.clone();
        for (int k = n - 2; k >= 0; k--) {
            double dot = 0;
            for (int i = k + 1; i < n; i++) {
                dot += a[k][i] * x[i];
            }
            addScaled(-dot, a[k], x, k + 1);
        }
        int largest = 0;
        for (int i = 1; i < n; i++) {
            largest = Math.abs(x[i]) > Math.abs(x[largest]) ? i : largest;
        }
        if (x[largest] < 0) {
            for (int i = 0; i < n; i++) {
                x[i] = -x[i];
            }
        }
        return x;
    }

    private static void addScaled(double factor, double[] x, double[] y, int from) {
        for (int i = from; i < y.length; i++) {
            y[i] += factor * x[i];
        }
    }

    /** Diagonalises the tridiagonal matrix; the rows of {@code vectors} are rotated along. */
    private static void ql(double[] d, double[] e, double[][] vectors) {
        int n = d.length;
        double largest = 0;
        for (int i = 0; i < n; i++) {
            largest = Math.max(largest, Math.abs(d[i]) + Math.abs(e[i]));
        }
        // Below this the reduction itself has left only noise; where a matrix has far fewer large eigenvalues than
        // rows, no step makes
        // the couplings of its null space smaller than their own neighbours.
        double nothing = Math.ulp(largest);
        for (int l = 0; l < n; l++) {
            for (int step = 0; ; step++) {
                int m = l;
                while (m < n - 1
                        && Math.abs(e[m]) > nothing
                        && Math.abs(e[m]) > Math.ulp(Math.abs(d[m]) + Math.abs(d[m + 1]))) {
                    m++;
                }
                if (m == l) {
                    break;
                }
                if (step == MAX_STEPS) {
                    throw new ArithmeticException(
                            "eigenvalue " + l + " of " + n + ": no convergence in " + MAX_STEPS + " QL steps");
                }
                qlStep(d, e, vectors, l, m);
            }
        }
    }

    /** One implicit QL step on the unreduced block l..m: a bulge is chased from m up to l by plane rotations. */
    private static void qlStep(double[] d, double[] e, double[][] vectors, int l, int m) {
        double gap = (d[l + 1] - d[l]) / (2 * e[l]);
        double shift = d[l] - e[l] / (gap + Math.copySign(Math.hypot(gap, 1), gap));
        double g = d[m] - shift;
        double sine = 1;
        double cosine = 1;
        double carried = 0;
        for (int i = m - 1; i >= l; i--) {
            double bulge = sine * e[i];
            double b = cosine * e[i];
            double r = Math.hypot(bulge, g);
            e[i + 1] = r;
            if (r == 0) {
                // The block splits here; what was carried belongs to the row below.
                d[i + 1] -= carried;
                e[m] = 0;
                return;
            }
            sine = bulge / r;
            cosine = g / r;
            double h = d[i + 1] - carried;
            double t = (d[i] - h) * sine + 2 * cosine * b;
            carried = sine * t;
            d[i + 1] = h + carried;
            g = cosine * t - b;
            rotate(vectors[i], vectors[i + 1], cosine, sine);
        }
        d[l] -= carried;
        e[l] = g;
        e[m] = 0;
    }

    private static void rotate(double[] low, double[] high, double cosine, double sine) {
        for (int k = 0; k < low.length; k++) {
            double h = high[k];
            high[k] = sine * low[k] + cosine * h;
            low[k] = cosine * low[k] - sine * h;
        }
    }
}
