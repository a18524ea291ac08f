package org.loupe.experiment;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;
import java.util.Locale;

/** Numbers and lists in sentences. */
public final class Say {
    private static final int DIGITS = 3;

    private Say() {}

    /** A number with three significant digits, whole where it has more; "–" where there is none. */
    public static String number(double value) {
        if (!Double.isFinite(value)) {
            return "–";
        }
        double size = Math.abs(value);
        if (size >= 100 || value == 0) {
            return minus(String.format(Locale.ROOT, "%,.0f", value));
        }
        if (size < 1e-4) {
            return minus(String.format(Locale.ROOT, "%.1e", value));
        }
        return minus(new BigDecimal(value).round(new MathContext(DIGITS)).toPlainString());
    }

    /** A share as per cent. */
    public static String percent(double share) {
        return Double.isFinite(share) ? minus(String.format(Locale.ROOT, "%.0f %%", 100 * share)) : "–";
    }

    /** How much larger one value is than another, as per cent with its sign. */
    public static String change(double value, double than) {
        return (value > than ? "+" : "") + percent(value / than - 1);
    }

    /** The mean over seeds, with the smallest and largest where there are several. */
    public static String spread(Spread spread) {
        return number(spread.mean())
                + (spread.count() > 1 ? " (" + number(spread.low()) + " to " + number(spread.high()) + ")" : "");
    }

    /** "a, b and c". */
    public static String list(List<String> items) {
        int last = items.size() - 1;
        return last < 1
                ? String.join("", items)
                : String.join(", ", items.subList(0, last)) + " and " + items.get(last);
    }

    /** The text with its first letter in upper case. */
    public static String sentence(String text) {
        return text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1);
    }

    private static String minus(String number) {
        return number.replace('-', '−');
    }
}
