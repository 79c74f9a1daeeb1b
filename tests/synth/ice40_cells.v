// Models of the iCE40 cells that synthesis uses, in the modes that it uses; an unexpected mode stops
// the simulation. A block RAM that is read at the address being written gives garbage, a single-port
// RAM after it has been written; it begins with garbage.

module SB_LUT4(input I0, I1, I2, I3, output O);
  parameter [15:0] LUT_INIT = 0;
  assign O = LUT_INIT[{I3, I2, I1, I0}];
endmodule

module SB_CARRY(input I0, I1, CI, output CO);
  assign CO = I0 & I1 | (I0 | I1) & CI;
endmodule

module SB_DFF(input C, D, output reg Q);
  initial Q = 0;
  always @(posedge C) Q <= D;
endmodule

module SB_DFFE(input C, E, D, output reg Q);
  initial Q = 0;
  always @(posedge C) if (E) Q <= D;
endmodule

module SB_DFFSR(input C, R, D, output reg Q);
  initial Q = 0;
  always @(posedge C) Q <= D & ~R;
endmodule

module SB_DFFSS(input C, S, D, output reg Q);
  initial Q = 0;
  always @(posedge C) Q <= D | S;
endmodule

// An enable holds off the reset as well.
module SB_DFFESR(input C, E, R, D, output reg Q);
  initial Q = 0;
  always @(posedge C) if (E) Q <= D & ~R;
endmodule

module SB_DFFESS(input C, E, S, D, output reg Q);
  initial Q = 0;
  always @(posedge C) if (E) Q <= D | S;
endmodule

// Modes 0 to 3: words of 16, 8, 4 and 2 bits. The address beyond 8 bits says which bit of 2, 4 or 8
// neighbours of a word of 16 bits is meant; each has one pin for all of them.
module SB_RAM40_4K(
  output reg [15:0] RDATA, input RCLK, RCLKE, RE, input [10:0] RADDR,
  input WCLK, WCLKE, WE, input [10:0] WADDR, input [15:0] MASK, WDATA);
  parameter WRITE_MODE = 0;
  parameter READ_MODE = 0;
  parameter [255:0] INIT_0 = 0, INIT_1 = 0, INIT_2 = 0, INIT_3 = 0, INIT_4 = 0, INIT_5 = 0,
    INIT_6 = 0, INIT_7 = 0, INIT_8 = 0, INIT_9 = 0, INIT_A = 0, INIT_B = 0, INIT_C = 0, INIT_D = 0,
    INIT_E = 0, INIT_F = 0;
  localparam [4095:0] INIT = {
    INIT_F, INIT_E, INIT_D, INIT_C, INIT_B, INIT_A, INIT_9, INIT_8, INIT_7, INIT_6, INIT_5, INIT_4,
    INIT_3, INIT_2, INIT_1, INIT_0};
  localparam WSTEP = 1 << WRITE_MODE;
  localparam RSTEP = 1 << READ_MODE;
  localparam WPIN = WRITE_MODE == 0 ? 0 : WSTEP / 2 - 1;
  localparam RPIN = READ_MODE == 0 ? 0 : RSTEP / 2 - 1;
  reg [15:0] memory [0:255];
  wire same = WE && WCLKE && WADDR == RADDR;
  integer i, j;
  initial for (i = 0; i < 256; i = i + 1) memory[i] = INIT[16 * i +: 16];
  always @(posedge WCLK)
    if (WE && WCLKE)
      for (i = 0; i < 16; i = i + 1)
        if (i % WSTEP == WADDR[10:8] && !(WRITE_MODE == 0 && MASK[i]))
          memory[WADDR[7:0]][i] <= WDATA[i - i % WSTEP + WPIN];
  always @(posedge RCLK)
    if (RE && RCLKE)
      for (j = 0; j < 16; j = j + RSTEP)
        RDATA[j + RPIN] <= memory[RADDR[7:0]][j + RADDR[10:8]] ^ same;
endmodule

module SB_SPRAM256KA(
  input [13:0] ADDRESS, input [15:0] DATAIN, input [3:0] MASKWREN,
  input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF, output reg [15:0] DATAOUT);
  reg [15:0] memory [0:16383];
  integer i, j;
  initial for (i = 0; i < 16384; i = i + 1) memory[i] = 16'h5A17 * i ^ 16'hC3E8;
  always @(posedge CLOCK)
    if (CHIPSELECT) begin
      DATAOUT <= WREN ? ~memory[ADDRESS] : memory[ADDRESS];
      for (j = 0; j < 4; j = j + 1)
        if (WREN && MASKWREN[j]) memory[ADDRESS][4 * j +: 4] <= DATAIN[4 * j +: 4];
    end
  always @(posedge CLOCK) if (STANDBY || SLEEP || !POWEROFF) $fatal(1, "SB_SPRAM256KA");
endmodule

// A signed product, operands and product registered.
module SB_MAC16(
  input CLK, CE, input [15:0] C, A, B, D, input AHOLD, BHOLD, CHOLD, DHOLD, IRSTTOP, IRSTBOT,
  input ORSTTOP, ORSTBOT, OLOADTOP, OLOADBOT, ADDSUBTOP, ADDSUBBOT, OHOLDTOP, OHOLDBOT,
  input CI, ACCUMCI, SIGNEXTIN, output [31:0] O, output CO, ACCUMCO, SIGNEXTOUT);
  parameter NEG_TRIGGER = 0, A_REG = 0, B_REG = 0, C_REG = 0, D_REG = 0;
  parameter TOP_8x8_MULT_REG = 0, BOT_8x8_MULT_REG = 0, PIPELINE_16x16_MULT_REG1 = 0,
    PIPELINE_16x16_MULT_REG2 = 0, MODE_8x8 = 0, A_SIGNED = 0, B_SIGNED = 0;
  parameter TOPOUTPUT_SELECT = 0, TOPADDSUB_LOWERINPUT = 0, TOPADDSUB_UPPERINPUT = 0,
    TOPADDSUB_CARRYSELECT = 0;
  parameter BOTOUTPUT_SELECT = 0, BOTADDSUB_LOWERINPUT = 0, BOTADDSUB_UPPERINPUT = 0,
    BOTADDSUB_CARRYSELECT = 0;
  reg signed [15:0] a, b;
  reg signed [31:0] product;
  assign O = product;
  always @(posedge CLK) if (CE) begin
    a <= A;
    b <= B;
    product <= a * b;
  end
  initial
    if (NEG_TRIGGER != 0 || A_REG != 1 || B_REG != 1 || TOP_8x8_MULT_REG != 1 ||
        BOT_8x8_MULT_REG != 1 || PIPELINE_16x16_MULT_REG1 != 1 || PIPELINE_16x16_MULT_REG2 != 0 ||
        MODE_8x8 != 0 || A_SIGNED != 1 || B_SIGNED != 1 || TOPOUTPUT_SELECT != 3 ||
        BOTOUTPUT_SELECT != 3) $fatal(1, "SB_MAC16");
  always @(posedge CLK)
    if (AHOLD || BHOLD || IRSTTOP || IRSTBOT) $fatal(1, "SB_MAC16");
endmodule
