package org.loupe.sae;

/**
 * Least squares on few atoms with an L1 penalty or f ≥ 0: coordinate descent comes near the minimum, then an active set reaches it in
 * finitely many linear systems, moving towards the solution of each until a value becomes 0 (Lawson &amp; Hanson 1974, §23; with signs:
 * Lee et al. 2007, feature-sign search).
 */
final class SmallLasso {
    private static final int SWEEPS = 30;

    /** A sweep that moves no value by more than this share of the largest is the last. */
    private static final double NEAR = 1e-3;

    /** Added to the Gram matrix's diagonal of 1: more than its f32 products are off, less than what conditions are held to. */
    private static final double RIDGE = 1e-6;

    private final int n;
    private final double[] gram;
    private final double[] inner;
    private final double lambda;
    private final boolean signed;
    private final double[] f;

    /** Sign of each active value; 0 where it is not active. */
    private final double[] sign;

    private final int[] active;
    private final double[] target;
    private final double[] change;
    private final double[] factor;

    private SmallLasso(int n, double[] gram, double[] inner, double lambda, boolean signed, double[] f) {
        this.n = n;
        this.gram = gram;
        this.inner = inner;
        this.lambda = lambda;
        this.signed = signed;
        this.f = f;
        this.sign = new double[n];
        this.active = new int[n];
        this.target = new double[n];
        this.change = new double[n];
        this.factor = new double[n * n];
    }

    /**
     * Minimises ½ fᵀG f − cᵀf + λ Σ |f_i|, under f ≥ 0 unless signed.
     *
     * @param n number of atoms
     * @param gram G, symmetric: element (i, j) at i · n + j
     * @param inner c
     * @param f from where it starts, feasible; overwritten by the minimum
     */
    static void solve(int n, double[] gram, double[] inner, double lambda, boolean signed, double[] f) {
        SmallLasso problem = new SmallLasso(n, gram, inner, lambda, signed, f);
        problem.approach();
        problem.finish();
    }

    /** c_i − (G f)_i. */
    private double slope(int i) {
        double slope = inner[i];
        for (int j = 0; j < n; j++) {
            slope -= gram[i * n + j] * f[j];
        }
        return slope;
    }

    private void approach() {
        double moved = 1;
        double largest = 0;
        for (int sweep = 0; sweep < SWEEPS && moved > NEAR * largest; sweep++) {
            moved = 0;
            largest = 0;
            for (int i = 0; i < n; i++) {
                double diagonal = gram[i * n + i];
                double free = slope(i) + diagonal * f[i];
                double size = Math.max(0, (signed ? Math.abs(free) : free) - lambda) / diagonal;
                double next = signed && free < 0 ? -size : size;
                moved = Math.max(moved, Math.abs(next - f[i]));
                largest = Math.max(largest, size);
                f[i] = next;
            }
        }
    }

    private void finish() {
        for (int i = 0; i < n; i++) {
            sign[i] = Math.signum(f[i]);
        }
        int entered = -1;
        for (int round = 0; round < 4 * n + 16; round++) {
            int left = towards();
            while (left >= 0 && left != entered) {
                left = towards();
            }
            if (left >= 0) {
                return;
            }
            entered = mostViolated();
            if (entered < 0) {
                return;
            }
        }
    }

    /** Goes towards the minimum on the active set until a value becomes 0, which is then no longer active; that one, or −1. */
    private int towards() {
        int count = 0;
        for (int i = 0; i < n; i++) {
            if (sign[i] != 0) {
                active[count++] = i;
            }
        }
        minimum(count);
        double step = 1;
        int first = -1;
        for (int a = 0; a < count; a++) {
            int i = active[a];
            if (target[a] * sign[i] <= 0) {
                double reach = f[i] == target[a] ? 0 : f[i] / (f[i] - target[a]);
                if (first < 0 || reach < step) {
                    step = reach;
                    first = i;
                }
            }
        }
        for (int a = 0; a < count; a++) {
            f[active[a]] += step * (target[a] - f[active[a]]);
        }
        if (first >= 0) {
            f[first] = 0;
            sign[first] = 0;
        }
        return first;
    }

    /** target = G⁻¹ (c − λ sign) on the active set: by Cholesky of G + ridge, refined once so that the ridge acts on dependent atoms only. */
    private void minimum(int count) {
        for (int a = 0; a < count; a++) {
            for (int b = 0; b <= a; b++) {
                double sum = gram[active[a] * n + active[b]] + (a == b ? RIDGE : 0);
                for (int s = 0; s < b; s++) {
                    sum -= factor[a * n + s] * factor[b * n + s];
                }
                factor[a * n + b] = a == b ? Math.sqrt(Math.max(sum, RIDGE / 2)) : sum / factor[b * n + b];
            }
            target[a] = 0;
        }
        for (int pass = 0; pass < 2; pass++) {
            for (int a = 0; a < count; a++) {
                change[a] = inner[active[a]] - lambda * sign[active[a]];
                for (int b = 0; b < count; b++) {
                    change[a] -= gram[active[a] * n + active[b]] * target[b];
                }
            }
            substitute(count);
            for (int a = 0; a < count; a++) {
                target[a] += change[a];
            }
        }
    }

    /** change ← (G + ridge)⁻¹ change. */
    private void substitute(int count) {
        for (int a = 0; a < count; a++) {
            for (int s = 0; s < a; s++) {
                change[a] -= factor[a * n + s] * change[s];
            }
            change[a] /= factor[a * n + a];
        }
        for (int a = count - 1; a >= 0; a--) {
            for (int s = a + 1; s < count; s++) {
                change[a] -= factor[s * n + a] * change[s];
            }
            change[a] /= factor[a * n + a];
        }
    }

    /** Makes the inactive atom active that the penalty holds down least; −1 where it holds down all. */
    private int mostViolated() {
        int most = -1;
        double excess = 0;
        double size = 0;
        for (int i = 0; i < n; i++) {
            size = Math.max(size, Math.abs(inner[i]));
        }
        for (int i = 0; i < n; i++) {
            double slope = sign[i] == 0 ? slope(i) : 0;
            double over = (signed ? Math.abs(slope) : slope) - lambda - RIDGE * size;
            if (over > excess) {
                excess = over;
                most = i;
            }
        }
        if (most >= 0) {
            sign[most] = Math.signum(slope(most));
        }
        return most;
    }
}
