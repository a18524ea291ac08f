package org.loupe.experiment;

import java.util.List;

/** A question with a way to answer it: trials that are measured, and an answer that is a function of what was measured alone. */
public interface Experiment {
    /** What it is called on the command line. */
    String name();

    /** The question, one sentence. */
    String question();

    /** Every quantity that trials give, in the order of the tables. */
    List<Quantity> quantities();

    /** Measures; a trial that an earlier, interrupted start has done is not done again. */
    void measure(Laboratory lab);

    /** What the trials say, whatever that is. */
    Answer answer(Trials trials, Scale scale);
}
