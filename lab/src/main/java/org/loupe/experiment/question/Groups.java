package org.loupe.experiment.question;

import java.util.Arrays;
import java.util.Comparator;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.loupe.experiment.Trial;

/**
 * Items in groups of equal size by a value, the smallest first.
 *
 * @param members of each group
 */
record Groups(int[][] members) {
    static Groups of(double[] by, int groups) {
        int[] order = IntStream.range(0, by.length)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> by[i]))
                .mapToInt(Integer::intValue)
                .toArray();
        int[][] members = new int[groups][];
        for (int g = 0; g < groups; g++) {
            members[g] = Arrays.copyOfRange(
                    order, (int) ((long) order.length * g / groups), (int) ((long) order.length * (g + 1) / groups));
        }
        return new Groups(members);
    }

    /** Σ of a value over a group. */
    double sum(int group, double[] values) {
        return Arrays.stream(members[group]).mapToDouble(i -> values[i]).sum();
    }

    double mean(int group, double[] values) {
        return sum(group, values) / members[group].length;
    }

    /** A figure of each group over the group's mean of a value. */
    Trial.Curve curve(double[] by, ToDoubleFunction<Integer> figure) {
        return new Trial.Curve(
                IntStream.range(0, members.length).mapToDouble(g -> mean(g, by)).toArray(),
                IntStream.range(0, members.length)
                        .mapToDouble(figure::applyAsDouble)
                        .toArray());
    }
}
