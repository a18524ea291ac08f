@NullMarked
package org.loupe.synth;

import org.jspecify.annotations.NullMarked;
