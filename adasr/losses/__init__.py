"""(SR, GT) -> scalar that training descends on."""
