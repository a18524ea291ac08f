/** The questions, a class or two each. */
@NullMarked
package org.loupe.experiment.question;

import org.jspecify.annotations.NullMarked;
